"""``python -m equiconv`` is ``equiconv``."""

from equiconv.cli import main

if __name__ == "__main__":
    main()
