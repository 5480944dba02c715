// Command control measures our supervisor beside supervisord, pm2, runit and s6, all on this machine, in turns, with the same
// child programs and as nearly the same configuration as they allow: how soon a crash is noticed and made good, what 200
// services cost, what a log pipe takes and loses, what a stop leaves behind, what a kill -9 of the supervisor does.
//
// It prints one report in Markdown and, with -o, puts it into that file's section. It starts every program itself, in a
// temporary folder, and ends them all, also after Ctrl-C. Linux only. About nine minutes; -only and -parts do less, and -quick
// shows in a minute that it works.
package main
