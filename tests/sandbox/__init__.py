"""What the kernel lets a process do that was taken over: test programs in the place of its own, under the same confinement."""
