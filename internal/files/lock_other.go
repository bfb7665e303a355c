//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package files

// The lock elsewhere: whoever creates the file has it.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// staleLock is longer than anybody holds a lock: who does has died.
const staleLock = 2 * time.Minute

// tryLock returns neither a function nor an error while another holds the lock.
func tryLock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		_ = f.Close()
		return func() { _ = os.Remove(path) }, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > staleLock {
		_ = os.Remove(path)
	}
	return nil, nil
}
