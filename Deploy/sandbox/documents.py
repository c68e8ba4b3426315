"""Writes demo documents of mixed sizes into a folder: documents.py FOLDER COUNT

The same COUNT gives the same documents, byte for byte. Most are small, some are large, as letters and scans are: sizes are spread
evenly over their logarithm from 200 bytes to 64 KiB, and each hundredth document has a megabyte.
"""
import os
import random
import sys

folder, count = sys.argv[1], int(sys.argv[2])
dice = random.Random(1)
text = dice.randbytes(1 << 20).hex(" ", 32).encode()
for number in range(1, count + 1):
    size = 1 << 20 if number % 100 == 0 else int(200 * (65536 / 200) ** dice.random())
    title = b"Tanba demo document %d of %d\n\n" % (number, count)
    start = dice.randrange(len(text) - size)
    with open(os.path.join(folder, f"document-{number:06}.txt"), "wb") as file:
        file.write(title)
        file.write(memoryview(text)[start:start + max(size - len(title), 0)])
