"""`python -m carnet` is the command `carnet`."""

import sys

from carnet.cli.main import main

sys.exit(main())
