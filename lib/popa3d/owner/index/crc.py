"""The CRC-32 of two parts of a file, from those of the parts: zlib's crc32_combine, which Python does not have.

A CRC is the remainder of a polynomial over GF(2). To append n octets is to multiply it by x^(8n), and to add theirs;
addition is exclusive or.

Runs as: the mailbox owner.
Trusts: nothing; numbers in, a number out.
"""

_POLYNOMIAL = 0xEDB88320  # CRC-32's, without x^32
_ONE = 1 << 31  # the highest bit is the coefficient of x^0, the one below it that of x^1, and so on
_X_8 = _ONE >> 8
_32_BITS = 0xFFFFFFFF


def combined(first: int, second: int, octets: int) -> int:
    """The CRC-32 of two parts together. octets: how long the second one is."""
    shift, power = _ONE, _X_8  # power: x^8, its square, the square of that, and so on
    while octets:
        if octets & 1:
            shift = _product(shift, power)
        power = _product(power, power)
        octets >>= 1
    return _product(shift, first) ^ second


def _product(a: int, b: int) -> int:
    """The product of two polynomials, modulo the CRC's."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = a << 1 & _32_BITS
        b = b >> 1 ^ _POLYNOMIAL if b & 1 else b >> 1
    return product
