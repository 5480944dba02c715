// Package logs keeps what services print: one folder, a live file and some rotated ones for each service.
//
// A [Writer] appends to the live file of one service. It belongs to the goroutine that reads the service's pipe, usually in
// the keeper process, starts none of its own and holds a few hundred bytes while no line is unfinished. A [Dir] reads the
// same folder from any number of goroutines, usually in the daemon, while the writer writes and the [Packer] compresses and
// removes rotated files; nobody takes a lock that another process would have to see. [Dir.Follow] is told of changes by one
// watcher that all followers of a Dir share, and looks by itself where there is none.
//
// # On disk
//
// A line is what the Kubernetes container runtimes write: time, stream, flag, text. The flag is F for a whole line and P for
// a part of one, which the next line of that stream continues: a line is cut after 64 KiB and after 100 ms of silence.
//
//	2026-01-02T03:04:05.678901Z stdout F listening on 8188
//	2026-01-02T03:04:07.000210Z keeper F end run=7f3a code=1
//
// Lines of the stream keeper are marks: "start run=… pid=…" and "end run=… code=…|signal=…|unknown" around a run, "in
// run=…" at the top of a file that a run goes on in, "gap why=… [bytes=…]" where something may be missing and "dropped
// lines=… bytes=…" where something is.
//
// # Positions
//
// Each byte on disk, uncompressed, has a position that is never used again: the position of a file is in its name, that of
// the live file is where the newest rotated one ends. Of service web there may be
//
//	web.log                                    live
//	web.00000000000000067108-67108801.log      rotated: position of the first byte, bytes
//	web.00000000000000000000-67108.log.zst     packed
//	web.00000000000000000000-67108.gone        removed, but the newest: it says where the live file starts
//	web.direct.log                             live, written by the service itself, lines without prefix
//	web.00000000000000000000-512.direct.log    the same, rotated
//
// Packed files are zstd frames of 1 MiB each with a table at the end (the seekable format), so that they are read from the
// end and from the middle as quickly as others, and by zstdcat too.
//
// # Rotation under a reader
//
// The writer renames the live file, then creates the next, and never touches the old one again. A reader keeps what it has
// open, so it reads a renamed or removed file to its end, and knows from its size where the next one starts. A list of the
// folder is only believed when the name of the live file still belongs to the file opened before (no rotation in between),
// and the folder is listed twice, as a list taken while a file is replaced may show neither of its two names; the packer
// replaces a file at most once in a pass. Without the first rule a file that appears behind the first list and is replaced
// during the second would be missing, and with it its lines.
package logs
