package keeper

import "os"

var ignored []os.Signal
