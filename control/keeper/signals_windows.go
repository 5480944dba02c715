package keeper

import "os"

var unheeded []os.Signal
