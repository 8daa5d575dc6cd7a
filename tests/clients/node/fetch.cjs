// node-pop3, driven: port, name, password, folder for the mail, "delete" or "keep", and a file with a certificate to trust and
// the name in it, if TLS is to be used. Says the sizes that were announced.
const {readFileSync, writeFileSync} = require('fs');
const Pop3 = require('node-pop3');

async function main([port, user, password, folder, then, trusted, servername]) {
  const tls = trusted ? {tls: true, servername, tlsOptions: {ca: readFileSync(trusted)}} : {};
  const pop3 = new Pop3({host: '127.0.0.1', port: Number(port), user, password, timeout: 60000, ...tls});
  try {
    for (const [number, size] of await pop3.LIST()) {
      console.log(`${number}: ${size}`);
      writeFileSync(`${folder}/${number.padStart(4, '0')}`, await pop3.RETR(number));
      if (then === 'delete') {
        await pop3.DELE(number);
      }
    }
    await pop3.QUIT();
  } catch (error) {
    console.log(`refused: ${error.message}`);
    process.exit(1);
  }
}

main(process.argv.slice(2));
