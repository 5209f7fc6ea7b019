"""`python -m qdash`."""

from qdash.cli import main

if __name__ == "__main__":
    main()
