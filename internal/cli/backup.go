package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"controlcenter/internal/config"
	"controlcenter/internal/store"
)

const backupPath = "/api/backup"

func (e *env) backupCmd() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "backup FILE|-",
		Short: "Write a backup of the whole state to a file or to stdout",
		Long: `Write a backup of the whole state (services, history, settings made through the
API) to a file, or to stdout for "-". While the daemon runs it makes the backup;
otherwise it is made from the data directory.`,
		Example: `  controlcenter backup /backup/controlcenter-$(date +%F).backup
  controlcenter backup - | ssh other 'cat > controlcenter.backup'`,
		Args: exactArgs("FILE"),
		RunE: e.run(func(c *call) error {
			if c.args[0] == "-" {
				_, err := e.backupTo(c.ctx, e.o.Stdout)
				return err
			}
			n, err := writeWhole(c.args[0], force, func(w io.Writer) (int64, error) { return e.backupTo(c.ctx, w) })
			if err != nil {
				return err
			}
			return e.print(map[string]any{"file": c.args[0], "bytes": n}, func() error {
				_, err := fmt.Fprintf(e.o.Stdout, "wrote %s (%s)\n", clean(c.args[0]), bytesText(float64(n)))
				return err
			})
		}),
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace the file if it exists")
	return cmd
}

// backupTo writes a backup made by the daemon, or by us when the local one does not run.
func (e *env) backupTo(ctx context.Context, w io.Writer) (n int64, err error) {
	err = e.throughDaemon(ctx, func(cl *client) error {
		cl.patient() // the copy is made and checked before its first byte is sent
		resp, err := cl.do(ctx, http.MethodGet, backupPath, http.Header{"Accept-Encoding": {"identity"}}, nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		n, err = io.Copy(w, resp.Body)
		if err != nil {
			return fmt.Errorf("receive the backup: %w", err)
		}
		return nil
	}, func(s *store.Store) error {
		n, err = s.Backup(ctx, w)
		return err
	})
	return n, err
}

// throughDaemon calls online with a client of the daemon, and offline with the opened data directory when the local daemon
// does not run. A daemon named by URL has no data directory here.
func (e *env) throughDaemon(ctx context.Context, online func(*client) error, offline func(*store.Store) error) error {
	if u := e.remote(); u != "" {
		cl, err := e.newClient(u, "")
		if err != nil {
			return err
		}
		defer cl.close()
		return online(cl)
	}
	l, err := config.Load(e.loadOptions(nil))
	if err != nil {
		return err
	}
	cl, err := e.local(&l.Config)
	if err != nil {
		return err
	}
	defer cl.close()
	// Ask first: a restore's body cannot be sent twice. Whatever answers holds the data directory's lock.
	if _, err = cl.health(ctx); err == nil {
		return online(cl)
	}
	if ee, ok := errors.AsType[*exitError](err); !ok || ee.code != ExitUnreachable {
		return err
	}
	return e.offline(ctx, l.Config.Storage.Path, offline)
}

func (e *env) offline(ctx context.Context, dir string, f func(*store.Store) error) error {
	if _, err := os.Stat(dir); err != nil {
		return exitf(ExitNotFound, "no daemon runs and there is no data directory: %w", err)
	}
	s, err := store.Open(ctx, store.Options{Dir: dir, Log: slog.New(slog.DiscardHandler), BackupKeep: 24})
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.Close())
}

// writeWhole writes a file that is either whole or not there: a temporary file beside it, private, renamed at the end.
func writeWhole(path string, replace bool, fill func(io.Writer) (int64, error)) (n int64, err error) {
	if _, err := os.Lstat(path); err == nil && !replace {
		return 0, exitf(ExitRefused, "%s exists; --force replaces it", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".controlcenter-*") // mode 0600
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", path, bare(err))
	}
	defer func() { _ = os.Remove(f.Name()) }() // a no-op once it was renamed
	n, err = fill(f)
	if err == nil {
		if err = errors.Join(f.Sync(), f.Close()); err != nil {
			return 0, fmt.Errorf("write %s: %w", path, bare(err))
		}
		if replace {
			err = os.Rename(f.Name(), path)
		} else {
			err = renameNew(f.Name(), path)
		}
		if err != nil {
			return 0, fmt.Errorf("write %s: %w", path, err)
		}
		return n, nil
	}
	_ = f.Close()
	return 0, err
}

// renameNew renames without replacing what appeared meanwhile, where the file system knows hard links; elsewhere it just
// renames.
func renameNew(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, os.ErrExist) {
		return exitf(ExitRefused, "%s exists; --force replaces it", to)
	}
	if err != nil {
		return os.Rename(from, to)
	}
	return nil
}

func (e *env) restoreCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE|-",
		Short: "Replace the whole state by a backup",
		Long: `Replace the whole state by a backup, from a file or from stdin for "-". The backup
is checked in full before anything changes, and the replaced state stays in the
data directory as state.db.before-restore-TIME.`,
		Example: `  controlcenter restore /backup/controlcenter-2026-01-02.backup
  ssh other controlcenter backup - | controlcenter restore -`,
		Args: exactArgs("FILE"),
		RunE: e.run(func(c *call) error {
			in, size, err := e.openInput(c.args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			if err := e.restoreFrom(c.ctx, in, size); err != nil {
				return err
			}
			return e.print(map[string]any{"restored": c.args[0]}, func() error {
				_, err := fmt.Fprintf(e.o.Stdout, "state restored from %s\n", clean(c.args[0]))
				return err
			})
		}),
	}
}

// openInput opens a file, or stdin for "-"; size is -1 where it is unknown.
func (e *env) openInput(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(e.o.Stdin), -1, nil
	}
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, exitf(ExitNotFound, "%s does not exist", name)
	}
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		return f, -1, nil
	}
	if err == nil && st.Size() == 0 {
		err = usagef("%s is empty", name)
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

func (e *env) restoreFrom(ctx context.Context, in io.Reader, size int64) error {
	return e.throughDaemon(ctx, func(cl *client) error {
		// The check of a large backup takes a while after the upload.
		cl.patient()
		header := http.Header{"Content-Type": {"application/octet-stream"}}
		resp, err := cl.upload(ctx, backupPath, header, in, size)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}, func(s *store.Store) error { return s.Restore(ctx, in) })
}
