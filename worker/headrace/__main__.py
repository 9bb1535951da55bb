"""`python -m headrace` is `headrace`."""

import sys

from headrace.cli.entry import main

sys.exit(main())
