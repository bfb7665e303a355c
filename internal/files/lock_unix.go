//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package files

// The lock where the kernel has one for whole files: it ends with the process,
// however that ends, so a stale one does not exist. The file stays.

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// tryLock returns neither a function nor an error while another holds the lock.
func tryLock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return func() { _ = f.Close() }, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return nil, nil
	}
	return nil, fmt.Errorf("lock: %w", err)
}
