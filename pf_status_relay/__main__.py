"""The program as `python -m pf_status_relay`."""

import sys

from pf_status_relay.cli.main import main

sys.exit(main())
