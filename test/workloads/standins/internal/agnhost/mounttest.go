package agnhost

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

const (
	newFileContent = "mount-tester new file\n"
	tmpfsMagic     = 0x01021994
	loopInterval   = 2 * time.Second
)

// mounttest looks at files in a fixed order, whatever the order of the flags: the type of the file system, new files,
// modes, permissions, owners, content.
func mounttest(p *proc.Proc) int {
	var fsType, mode, perm, owner, content, loop string
	var retry int
	var breaks bool
	newFiles := []struct {
		name string
		perm uint32
		path string
	}{{"new_file_0644", 0o644, ""}, {"new_file_0666", 0o666, ""}, {"new_file_0660", 0o660, ""}, {"new_file_0777", 0o777, ""}}
	flags(p, func(set *flag.FlagSet) {
		set.StringVar(&fsType, "fs_type", "", "Path to print the fs type for")
		set.StringVar(&mode, "file_mode", "", "Path to print the mode bits of")
		set.StringVar(&perm, "file_perm", "", "Path to print the perms of")
		set.StringVar(&owner, "file_owner", "", "Path to print the owning UID and GID of")
		for i := range newFiles {
			set.StringVar(&newFiles[i].path, newFiles[i].name, "", fmt.Sprintf("Path to write to and read from with perm %04o", newFiles[i].perm))
		}
		set.StringVar(&content, "file_content", "", "Path to read the file content from")
		set.StringVar(&loop, "file_content_in_loop", "", "Path to read the file content in loop from")
		set.IntVar(&retry, "retry_time", 180, "Retry time during the loop")
		set.BoolVar(&breaks, "break_on_expected_content", true, "Break out of loop on expected content")
	})
	posix.Umask(0)
	failed := false
	check := func(path string, look func(string) error) {
		if path != "" && look(path) != nil {
			failed = true
		}
	}
	m := mountTester{p}
	check(fsType, m.fsType)
	for _, file := range newFiles {
		check(file.path, func(path string) error { return m.newFile(path, file.perm) })
	}
	check(mode, m.mode)
	check(perm, m.perm)
	check(owner, m.owner)
	check(content, m.content)
	check(loop, func(path string) error { return m.loop(path, time.Duration(retry)*time.Second, breaks) })
	if failed {
		return 1
	}
	return 0
}

type mountTester struct{ p *proc.Proc }

func (m mountTester) failed(format, path string, err error) error {
	m.p.Printf(format, path, err)
	return err
}

func (m mountTester) fsType(path string) error {
	statfs, err := posix.GetStatfs(m.p.Path(path))
	if err != nil {
		return m.failed("error from statfs(%q): %v\n", path, err)
	}
	if statfs.Type == tmpfsMagic {
		m.p.Printf("mount type of %q: tmpfs\n", path)
	} else {
		m.p.Printf("mount type of %q: %v\n", path, int64(statfs.Type))
	}
	return nil
}

func (m mountTester) newFile(path string, perm uint32) error {
	file := m.p.Path(path)
	_, statErr := os.Stat(file)
	err := os.WriteFile(file, []byte(newFileContent), fs.FileMode(perm))
	// Preview 1 opens without a mode, so a new file gets it afterwards.
	if err == nil && errors.Is(statErr, fs.ErrNotExist) && posix.HasModes() {
		err = posix.Chmod(file, perm)
	}
	if err != nil {
		return m.failed("error writing new file %q: %v\n", path, err)
	}
	return m.content(path)
}

// fileMode is a mode as Go shows it.
func fileMode(stat *posix.Stat) fs.FileMode {
	mode := fs.FileMode(stat.Mode & 0o777)
	for _, bit := range []struct {
		has uint32
		bit fs.FileMode
	}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}} {
		if stat.Mode&bit.has != 0 {
			mode |= bit.bit
		}
	}
	types := map[uint32]fs.FileMode{
		posix.Directory: fs.ModeDir, posix.Link: fs.ModeSymlink, posix.Socket: fs.ModeSocket, posix.Fifo: fs.ModeNamedPipe,
		posix.Block: fs.ModeDevice, posix.Character: fs.ModeDevice | fs.ModeCharDevice,
	}
	return mode | types[stat.Mode&posix.TypeMask]
}

func (m mountTester) mode(path string) error {
	stat, err := posix.GetStat(m.p.Path(path), true)
	if err != nil {
		return m.failed("error from Stat(%q): %v\n", path, err)
	}
	m.p.Printf("mode of file %q: %v\n", path, fileMode(stat))
	return nil
}

func (m mountTester) perm(path string) error {
	stat, err := posix.GetStat(m.p.Path(path), true)
	if err != nil {
		return m.failed("error from Stat(%q): %v\n", path, err)
	}
	m.p.Printf("perms of file %q: %v\n", path, fileMode(stat).Perm())
	return nil
}

func (m mountTester) owner(path string) error {
	stat, err := posix.GetStat(m.p.Path(path), true)
	if err != nil {
		return m.failed("error from stat(%q): %v\n", path, err)
	}
	m.p.Printf("owner UID of %q: %v\nowner GID of %q: %v\n", path, stat.UID, path, stat.GID)
	return nil
}

func (m mountTester) content(path string) error {
	content, err := os.ReadFile(m.p.Path(path))
	if err != nil {
		return m.failed("error reading file content for %q: %v\n", path, err)
	}
	m.p.Printf("content of file %q: %v\n", path, string(content))
	return nil
}

func (m mountTester) loop(path string, retry time.Duration, breaks bool) (err error) {
	for start := time.Now(); time.Since(start) < retry; m.p.Sleep(loopInterval) {
		var content []byte
		if content, err = os.ReadFile(m.p.Path(path)); err != nil {
			m.p.Printf("Error reading file %s: %v, retrying\n", path, err)
			continue
		}
		m.p.Printf("content of file %q: %v\n", path, string(content))
		if !breaks {
			continue
		}
		if string(content) == newFileContent {
			return nil
		}
		m.p.Printf("Unexpected content. Expected: %s. Retrying\n", newFileContent)
	}
	return err
}
