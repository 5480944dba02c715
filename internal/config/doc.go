// Package config turns the configuration file, the environment and the command line's flags into one checked [Config].
//
// The struct in config.go is the only list of keys. One walk over it (walk.go) yields the name of every key in the file, in
// the environment and on the command line, its default, its accepted values, the JSON Schema, the documentation and the
// "did you mean" of errors: a new key is one struct field with its tags, and its value in [Default].
//
// Precedence is flag, environment, file, default. Every layer is checked in full, also where a higher one hides it: a file that
// is wrong stays wrong under a flag. [Load] reads files and returns; it prints nothing, starts nothing and changes no state, so
// a reload is a second call whose result is taken or dropped. What it returns belongs to the caller.
package config
