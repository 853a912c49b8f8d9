//go:build wasip1 && !posix

package posix

import "io/fs"

func fill(*Stat, fs.FileInfo) {}
