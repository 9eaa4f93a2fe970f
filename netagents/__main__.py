"""``python -m netagents`` is the ``netagents`` command."""

import sys

from netagents.cli.main import main

sys.exit(main())
