"""python -m dscompress: the same as the command dscompress."""

from dscompress.cli import main

if __name__ == "__main__":
    main()
