"""`python -m keiki` is `keiki`."""

import sys

from keiki.cli.main import main

sys.exit(main())
