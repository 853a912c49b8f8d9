//go:build !(wasip1 && posix)

package posix

import (
	"os"
	"syscall"
)

// GetStat is stat(2), or lstat(2), of an absolute path.
func GetStat(name string, follow bool) (*Stat, error) { return plainStat(name, follow) }

// GetStatfs is statfs(2) of an absolute path.
func GetStatfs(name string) (*Statfs, error) { return nil, pathError("statfs", name, syscall.ENOSYS) }

// Chmod is chmod(2) of an absolute path.
func Chmod(name string, mode uint32) error { return os.Chmod(name, os.FileMode(mode&0o777)) }

// Chown is chown(2), or lchown(2), of an absolute path; -1 leaves an id as it is.
func Chown(name string, uid, gid int, follow bool) error {
	if follow {
		return os.Chown(name, uid, gid)
	}
	return os.Lchown(name, uid, gid)
}

// Access tells whether the file exists; who may do what cannot be known.
func Access(name string, _ uint32) error {
	_, err := os.Stat(name)
	return err
}

// Umask remembers the mask and nothing else.
func Umask(mask int) int {
	old := plainMask
	if mask >= 0 {
		plainMask = mask & 0o777
	}
	return old
}

var plainMask = 0o022

func Getuid() int      { return max(os.Getuid(), 0) }
func Geteuid() int     { return max(os.Geteuid(), 0) }
func Getgid() int      { return max(os.Getgid(), 0) }
func Getegid() int     { return max(os.Getegid(), 0) }
func Getgroups() []int { return nil }
func Getpid() int      { return 1 }

// Hostname is the variable HOSTNAME.
func Hostname() string {
	if name := os.Getenv("HOSTNAME"); name != "" {
		return name
	}
	return "localhost"
}

// Subscribe cannot.
func Subscribe(uint64) error { return syscall.ENOSYS }

// TakeSignal has none.
func TakeSignal() int { return 0 }

// Kill cannot.
func Kill(int, int) error { return syscall.ENOSYS }

// HasModes tells whether modes and owners can be seen and changed.
func HasModes() bool { return false }
