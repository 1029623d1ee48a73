"""`python -m nl2dsl` is `nl2dsl`."""

import sys

from nl2dsl.cli import main

if __name__ == "__main__":
    sys.exit(main())
