package applets

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

var files map[string]proc.Main

func init() {
	files = map[string]proc.Main{
		"touch": touch, "mkdir": mkdir, "rmdir": rmdir, "rm": rm, "unlink": rm, "mv": mv, "cp": cp, "ln": ln, "link": ln,
		"chmod": chmod, "chown": chown, "chgrp": chown, "readlink": readlink, "realpath": realpath, "mktemp": mktemp,
		"basename": basename, "dirname": dirname, "dd": dd, "truncate": truncate, "install": cp,
	}
}

// fail tells an error with the path as the user wrote it.
func fail(p *proc.Proc, what string, err error) int {
	message := proc.Message(err)
	if at := strings.LastIndex(message, ": "); at >= 0 {
		message = message[at+2:]
	}
	p.Errorf("%s: %s", what, message)
	return 1
}

func touch(p *proc.Proc) int {
	o := parse(p, "cmad:t:r:h", map[string]byte{"no-create": 'c', "date": 'd'})
	need(p, o.args, 1)
	when := time.Now()
	if o.has('d') {
		var ok bool
		if when, ok = parseDate(o.set['d']); !ok {
			p.Errorf("invalid date '%s'", o.set['d'])
			return 1
		}
	}
	code := 0
	for _, name := range o.args {
		file := p.Path(name)
		err := os.Chtimes(file, when, when)
		if errors.Is(err, fs.ErrNotExist) && !o.has('c') {
			var f *os.File
			if f, err = os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o666); err == nil {
				err = f.Close()
			}
		}
		if err != nil && !(o.has('c') && errors.Is(err, fs.ErrNotExist)) {
			code = fail(p, name, err)
		}
	}
	return code
}

func mkdir(p *proc.Proc) int {
	o := parse(p, "pm:v", map[string]byte{"parents": 'p', "mode": 'm'})
	need(p, o.args, 1)
	code := 0
	for _, name := range o.args {
		make := os.Mkdir
		if o.has('p') {
			make = os.MkdirAll
		}
		err := make(p.Path(name), 0o777)
		if err == nil && o.has('m') {
			mode, ok := parseMode(o.set['m'], 0o777)
			if !ok {
				p.Errorf("invalid mode '%s'", o.set['m'])
				return 1
			}
			err = posix.Chmod(p.Path(name), mode)
		}
		if err != nil {
			code = fail(p, "can't create directory '"+name+"'", err)
		}
	}
	return code
}

func rmdir(p *proc.Proc) int {
	o := parse(p, "p", nil)
	need(p, o.args, 1)
	code := 0
	for _, name := range o.args {
		info, err := os.Lstat(p.Path(name))
		if err == nil && !info.IsDir() {
			err = errors.New("Not a directory")
		}
		if err == nil {
			err = os.Remove(p.Path(name))
		}
		if err != nil {
			code = fail(p, "'"+name+"'", err)
		}
	}
	return code
}

func rm(p *proc.Proc) int {
	o := parse(p, "rRfiv", map[string]byte{"recursive": 'r', "force": 'f'})
	if len(o.args) == 0 && o.has('f') {
		return 0
	}
	need(p, o.args, 1)
	code := 0
	for _, name := range o.args {
		file := p.Path(name)
		info, err := os.Lstat(file)
		switch {
		case err != nil:
		case !info.IsDir():
			err = os.Remove(file)
		case o.has('r') || o.has('R'):
			err = os.RemoveAll(file)
		default:
			err = errors.New("is a directory")
		}
		if err != nil && !(o.has('f') && errors.Is(err, fs.ErrNotExist)) {
			code = fail(p, "can't remove '"+name+"'", err)
		}
	}
	return code
}

// targets pairs sources with where they go: into a directory that is there, or to one name.
func targets(p *proc.Proc, args []string, intoDirectory bool) (pairs [][2]string) {
	need(p, args, 2)
	last := args[len(args)-1]
	info, err := os.Stat(p.Path(last))
	if err == nil && info.IsDir() && intoDirectory {
		for _, source := range args[:len(args)-1] {
			pairs = append(pairs, [2]string{source, path.Join(last, path.Base(source))})
		}
		return pairs
	}
	if len(args) > 2 {
		p.Errorf("target '%s' is not a directory", last)
		p.Exit(1)
	}
	return [][2]string{{args[0], last}}
}

func mv(p *proc.Proc) int {
	o := parse(p, "finTv", nil)
	code := 0
	for _, pair := range targets(p, o.args, !o.has('T')) {
		from, to := p.Path(pair[0]), p.Path(pair[1])
		if _, err := os.Stat(to); err == nil && o.has('n') {
			continue
		}
		err := os.Rename(from, to)
		if err != nil && isCrossDevice(err) {
			if err = copyTree(p, from, to, true); err == nil {
				err = os.RemoveAll(from)
			}
		}
		if err != nil {
			code = fail(p, "can't rename '"+pair[0]+"'", err)
		}
	}
	return code
}

func cp(p *proc.Proc) int {
	o := parse(p, "rRafpdiLPHTsvnm:D", map[string]byte{"recursive": 'r', "archive": 'a', "force": 'f'})
	recursive := o.has('r') || o.has('R') || o.has('a')
	code := 0
	for _, pair := range targets(p, o.args, !o.has('T')) {
		from, to := p.Path(pair[0]), p.Path(pair[1])
		info, err := os.Stat(from)
		if err == nil && info.IsDir() && !recursive {
			p.Errorf("omitting directory '%s'", pair[0])
			code = 1
			continue
		}
		if err == nil || o.has('a') || o.has('d') || o.has('P') {
			err = copyTree(p, from, to, recursive && !o.has('L'))
		}
		if err != nil {
			code = fail(p, "can't copy '"+pair[0]+"'", err)
		}
	}
	return code
}

// copyTree copies a file, or a directory with all that is in it, modes included.
func copyTree(p *proc.Proc, from, to string, keepLinks bool) error {
	stat, err := posix.GetStat(from, !keepLinks)
	if err != nil {
		return err
	}
	switch {
	case stat.Is(posix.Link):
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case stat.Is(posix.Directory):
		if err := os.MkdirAll(to, 0o777); err != nil {
			return err
		}
		entries, err := os.ReadDir(from)
		for _, entry := range entries {
			if err == nil {
				err = copyTree(p, path.Join(from, entry.Name()), path.Join(to, entry.Name()), keepLinks)
			}
		}
		return errors.Join(err, copyMode(to, stat))
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close(), copyMode(to, stat))
}

func copyMode(to string, stat *posix.Stat) error {
	if !posix.HasModes() {
		return nil
	}
	return posix.Chmod(to, stat.Perm())
}

func ln(p *proc.Proc) int {
	o := parse(p, "sfnTv", map[string]byte{"symbolic": 's', "force": 'f', "no-dereference": 'n'})
	if len(o.args) == 1 {
		o.args = append(o.args, path.Base(o.args[0]))
	}
	code := 0
	for _, pair := range targets(p, o.args, !o.has('T') && !o.has('n')) {
		to := p.Path(pair[1])
		if o.has('f') {
			_ = os.Remove(to)
		}
		var err error
		if o.has('s') {
			err = os.Symlink(pair[0], to)
		} else {
			err = os.Link(p.Path(pair[0]), to)
		}
		if err != nil {
			code = fail(p, pair[1], err)
		}
	}
	return code
}

// walk calls use for a path, and for all below it when recursive.
func walk(p *proc.Proc, name string, recursive bool, use func(file string) error) error {
	file := p.Path(name)
	if !recursive {
		return use(file)
	}
	return filepath.WalkDir(file, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return use(file)
	})
}

func chmod(p *proc.Proc) int {
	// -w and the like are modes, not options.
	args := p.Args[1:]
	recursive := false
	for len(args) > 0 && (args[0] == "-R" || args[0] == "-f" || args[0] == "-v" || args[0] == "-c" || args[0] == "--") {
		recursive = recursive || args[0] == "-R"
		args = args[1:]
	}
	need(p, args, 2)
	code := 0
	for _, name := range args[1:] {
		err := walk(p, name, recursive, func(file string) error {
			stat, err := posix.GetStat(file, true)
			if err != nil {
				return err
			}
			mode, ok := parseMode(args[0], stat.Mode)
			if !ok {
				p.Errorf("invalid mode '%s'", args[0])
				p.Exit(1)
			}
			return posix.Chmod(file, mode)
		})
		if err != nil {
			code = fail(p, name, err)
		}
	}
	return code
}

func chown(p *proc.Proc) int {
	o := parse(p, "Rhfv", nil)
	need(p, o.args, 2)
	owner, group, hasGroup := strings.Cut(strings.Replace(o.args[0], ".", ":", 1), ":")
	if p.Args[0] == "chgrp" || path.Base(p.Args[0]) == "chgrp" {
		owner, group, hasGroup = "", o.args[0], true
	}
	uid, gid := -1, -1
	if owner != "" {
		uid = idOf(p, "/etc/passwd", owner)
	}
	if hasGroup && group != "" {
		gid = idOf(p, "/etc/group", group)
	}
	code := 0
	for _, name := range o.args[1:] {
		if err := walk(p, name, o.has('R'), func(file string) error { return posix.Chown(file, uid, gid, !o.has('h')) }); err != nil {
			code = fail(p, name, err)
		}
	}
	return code
}

// idOf is a user's or group's number by name.
func idOf(p *proc.Proc, database, name string) int {
	if number, err := strconv.Atoi(name); err == nil {
		return number
	}
	for _, fields := range accounts(database) {
		if len(fields) > 2 && fields[0] == name {
			if number, err := strconv.Atoi(fields[2]); err == nil {
				return number
			}
		}
	}
	kind := "user"
	if database == "/etc/group" {
		kind = "group"
	}
	p.Errorf("unknown %s %s", kind, name)
	p.Exit(1)
	return -1
}

// accounts are the lines of /etc/passwd or /etc/group.
func accounts(database string) (all [][]string) {
	data, err := os.ReadFile(database)
	if err != nil {
		return nil
	}
	for _, line := range lines(data) {
		all = append(all, strings.Split(line, ":"))
	}
	return all
}

// nameOf is a user's or group's name by number, "" without one.
func nameOf(database string, id int) string {
	for _, fields := range accounts(database) {
		if len(fields) > 2 && fields[2] == strconv.Itoa(id) {
			return fields[0]
		}
	}
	return ""
}

func readlink(p *proc.Proc) int {
	o := parse(p, "fnevsq", nil)
	need(p, o.args, 1)
	if o.has('f') || o.has('e') {
		return realpath(p)
	}
	target, err := os.Readlink(p.Path(o.args[0]))
	if err != nil {
		return 1
	}
	p.Printf("%s", target)
	if !o.has('n') {
		p.Printf("\n")
	}
	return 0
}

func realpath(p *proc.Proc) int {
	o := parse(p, "fnevsq", nil)
	need(p, o.args, 1)
	code := 0
	for _, name := range o.args {
		file, err := resolve(p.Path(name))
		if err != nil {
			code = fail(p, name, err)
			continue
		}
		p.Printf("%s\n", file)
	}
	return code
}

// resolve follows all links of a path; its last part need not exist.
func resolve(file string) (string, error) {
	full, err := filepath.EvalSymlinks(file)
	if errors.Is(err, fs.ErrNotExist) {
		dir, err := filepath.EvalSymlinks(filepath.Dir(filepath.Clean(file)))
		return filepath.Join(dir, filepath.Base(file)), err
	}
	return full, err
}

func mktemp(p *proc.Proc) int {
	o := parse(p, "dqtup:", nil)
	template := "tmp.XXXXXX"
	dir := p.Getenv("TMPDIR")
	if dir == "" {
		dir = "/tmp"
	}
	if o.has('p') {
		dir = o.set['p']
	}
	if len(o.args) > 0 {
		template = o.args[0]
		if !o.has('t') && !o.has('p') {
			dir = ""
		}
	}
	base := strings.TrimRight(template, "X")
	if len(template)-len(base) < 6 {
		p.Errorf("Invalid argument")
		return 1
	}
	for range 100 {
		name := path.Join(dir, base+randomName(len(template)-len(base)))
		err := makeTemporary(p.Path(name), o.has('d'))
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return fail(p, name, err)
		}
		p.Printf("%s\n", name)
		return 0
	}
	p.Errorf("no name is free")
	return 1
}

func makeTemporary(file string, directory bool) error {
	if directory {
		if err := os.Mkdir(file, 0o700); err != nil {
			return err
		}
		return copyMode(file, &posix.Stat{Mode: 0o700})
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), copyMode(file, &posix.Stat{Mode: 0o600}))
}

func randomName(length int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	name := make([]byte, length)
	_, _ = rand.Read(name)
	for i := range name {
		name[i] = letters[int(name[i])%len(letters)]
	}
	return string(name)
}

func basename(p *proc.Proc) int {
	need(p, p.Args, 2)
	name := path.Base(p.Args[1])
	if len(p.Args) > 2 && name != p.Args[2] {
		name = strings.TrimSuffix(name, p.Args[2])
	}
	p.Printf("%s\n", name)
	return 0
}

func dirname(p *proc.Proc) int {
	need(p, p.Args, 2)
	p.Printf("%s\n", path.Dir(strings.TrimRight(p.Args[1], "/")))
	return 0
}

func truncate(p *proc.Proc) int {
	o := parse(p, "cs:", nil)
	need(p, o.args, 1)
	code := 0
	for _, name := range o.args {
		flag := os.O_WRONLY
		if !o.has('c') {
			flag |= os.O_CREATE
		}
		f, err := os.OpenFile(p.Path(name), flag, 0o666)
		if err == nil {
			err = errors.Join(f.Truncate(amount(p, o.set['s'])), f.Close())
		}
		if err != nil {
			code = fail(p, name, err)
		}
	}
	return code
}

func dd(p *proc.Proc) int {
	operands := map[string]string{"bs": "512"}
	for _, arg := range p.Args[1:] {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			p.Errorf("invalid argument '%s'", arg)
			return 1
		}
		operands[name] = value
	}
	number := func(name string) int64 {
		if text, ok := operands[name]; ok {
			return amount(p, text)
		}
		return 0
	}
	in, out, err := ddFiles(p, operands, number)
	if err != nil {
		return openFailed(p, err)
	}
	defer in.Close()
	defer out.Close()
	size := number("bs")
	if size < 1 || size > 1<<30 {
		p.Errorf("invalid number '%s'", operands["bs"])
		return 1
	}
	return ddCopy(p, in, out, size, number("skip"), number("count"), operands["count"] != "", operands["status"])
}

func ddFiles(p *proc.Proc, operands map[string]string, number func(string) int64) (io.ReadCloser, io.WriteCloser, error) {
	in := io.NopCloser(io.Reader(p))
	if name, ok := operands["if"]; ok {
		file, err := p.Input(name)
		if err != nil {
			return nil, nil, err
		}
		in = file
	}
	name, ok := operands["of"]
	if !ok {
		return in, nopWriteCloser{p.Out()}, nil
	}
	seek := number("seek") * max(number("bs"), 1)
	if seek == 0 && !strings.Contains(operands["conv"], "notrunc") {
		out, err := p.Create(name, os.O_TRUNC)
		return in, out, err
	}
	file, err := os.OpenFile(p.Path(name), os.O_WRONLY|os.O_CREATE, 0o666)
	if err == nil {
		_, err = file.Seek(seek, io.SeekStart)
	}
	return in, file, err
}

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }

func ddCopy(p *proc.Proc, in io.Reader, out io.Writer, size, skip, count int64, limited bool, status string) int {
	start := time.Now()
	if _, err := io.CopyN(io.Discard, in, skip*size); err != nil && err != io.EOF {
		return p.Fail(err)
	}
	block := make([]byte, size)
	var full, part, total int64
	code := 0
	for !limited || full+part < count {
		n, err := in.Read(block)
		if n > 0 {
			if _, err := out.Write(block[:n]); err != nil {
				code = p.Fail(err)
				break
			}
			total += int64(n)
			if int64(n) == size {
				full++
			} else {
				part++
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			code = p.Fail(err)
			break
		}
		p.Check()
	}
	if status != "none" {
		records := fmt.Sprintf("%d+%d records", full, part)
		fmt.Fprintf(p.Err(), "%s in\n%s out\n", records, records)
		if status != "noxfer" {
			took := max(time.Since(start).Seconds(), 1e-6)
			fmt.Fprintf(p.Err(), "%d bytes (%s) copied, %f seconds, %s/s\n", total, human(float64(total)), took, human(float64(total)/took))
		}
	}
	return code
}

// human is a size as busybox shows it: 1.5KB.
func human(size float64) string {
	units := []string{"B", "KB", "MB", "GB", "TB"}
	i := 0
	for ; size >= 1024 && i < len(units)-1; i++ {
		size /= 1024
	}
	return fmt.Sprintf("%.1f%s", size, units[i])
}
