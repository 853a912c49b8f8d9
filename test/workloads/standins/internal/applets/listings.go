package applets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

var listings map[string]proc.Main

func init() {
	listings = map[string]proc.Main{"ls": ls, "ll": ls, "stat": stat, "find": find, "du": du, "df": df, "mount": mount, "mountpoint": mountpoint}
}

type listed struct {
	name, file string
	stat       *posix.Stat
}

func ls(p *proc.Proc) int {
	o := parse(p, "laA1dnihRFtrSpLHsC", nil)
	names := o.args
	if len(names) == 0 {
		names = []string{"."}
	}
	var plain, dirs []listed
	code := 0
	for _, name := range names {
		stat, err := posix.GetStat(p.Path(name), !o.has('l') && !o.has('d') || o.has('L') || strings.HasSuffix(name, "/"))
		if err != nil {
			code = fail(p, name, err)
			continue
		}
		entry := listed{name, p.Path(name), stat}
		if stat.Is(posix.Directory) && !o.has('d') {
			dirs = append(dirs, entry)
		} else {
			plain = append(plain, entry)
		}
	}
	l := &lister{p, o}
	l.show(plain)
	for i, dir := range dirs {
		if len(names) > 1 || o.has('R') {
			if i > 0 || len(plain) > 0 {
				p.Printf("\n")
			}
			p.Printf("%s:\n", dir.name)
		}
		code = max(code, l.directory(dir))
	}
	return code
}

type lister struct {
	p *proc.Proc
	o *options
}

func (l *lister) directory(dir listed) int {
	entries, err := os.ReadDir(dir.file)
	if err != nil {
		return fail(l.p, dir.name, err)
	}
	var names []string
	if l.o.has('a') {
		names = []string{".", ".."}
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") || l.o.has('a') || l.o.has('A') {
			names = append(names, entry.Name())
		}
	}
	var all []listed
	code := 0
	for _, name := range names {
		file := path.Join(dir.file, name)
		stat, err := posix.GetStat(file, l.o.has('L'))
		if err != nil {
			code = fail(l.p, path.Join(dir.name, name), err)
			continue
		}
		all = append(all, listed{name, file, stat})
	}
	if l.o.has('l') {
		var blocks uint64
		for _, entry := range all {
			blocks += entry.stat.Blocks
		}
		l.p.Printf("total %d\n", blocks/2)
	}
	l.show(all)
	if l.o.has('R') {
		code = max(code, l.below(dir, all))
	}
	return code
}

func (l *lister) below(dir listed, all []listed) int {
	code := 0
	for _, entry := range all {
		if entry.stat.Is(posix.Directory) && entry.name != "." && entry.name != ".." {
			entry.name = path.Join(dir.name, entry.name)
			l.p.Printf("\n%s:\n", entry.name)
			code = max(code, l.directory(entry))
		}
	}
	return code
}

func (l *lister) show(all []listed) {
	slices.SortFunc(all, func(a, b listed) int {
		order := strings.Compare(a.name, b.name)
		if l.o.has('t') && a.stat.Mtime != b.stat.Mtime {
			order = 1 - 2*boolToInt(a.stat.Mtime > b.stat.Mtime)
		} else if l.o.has('S') && a.stat.Size != b.stat.Size {
			order = 1 - 2*boolToInt(a.stat.Size > b.stat.Size)
		}
		if l.o.has('r') {
			return -order
		}
		return order
	})
	for _, entry := range all {
		if l.o.has('i') {
			l.p.Printf("%7d ", entry.stat.Ino)
		}
		name := entry.name
		if entry.stat.Is(posix.Directory) && (l.o.has('F') || l.o.has('p')) {
			name += "/"
		}
		if l.o.has('l') || l.o.has('n') {
			l.p.Printf("%s\n", l.long(entry, name))
		} else {
			l.p.Printf("%s\n", name)
		}
	}
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (l *lister) long(entry listed, name string) string {
	stat := entry.stat
	owner, group := strconv.Itoa(int(stat.UID)), strconv.Itoa(int(stat.GID))
	if !l.o.has('n') {
		owner, group = named("/etc/passwd", owner, int(stat.UID)), named("/etc/group", group, int(stat.GID))
	}
	size := strconv.FormatUint(stat.Size, 10)
	if l.o.has('h') {
		size = short(float64(stat.Size))
	}
	if stat.Is(posix.Link) {
		if target, err := os.Readlink(entry.file); err == nil {
			name += " -> " + target
		}
	}
	when := time.Unix(0, stat.Mtime).UTC()
	shown := when.Format("Jan _2 15:04")
	if age := time.Since(when); age > 180*24*time.Hour || age < -24*time.Hour {
		shown = when.Format("Jan _2  2006")
	}
	return fmt.Sprintf("%s %4d %-8s %-8s %9s %s %s", modeText(stat.Mode), stat.Nlink, owner, group, size, shown, name)
}

func named(database, number string, id int) string {
	if name := nameOf(database, id); name != "" {
		return name
	}
	return number
}

// short is a size as ls -h and df -h show it.
func short(size float64) string {
	if size < 1024 {
		return strconv.Itoa(int(size))
	}
	units := "KMGTP"
	i := -1
	for ; size >= 1024 && i < len(units)-1; i++ {
		size /= 1024
	}
	return fmt.Sprintf("%.1f%c", size, units[i])
}

func stat(p *proc.Proc) int {
	o := parse(p, "c:fLt", map[string]byte{"format": 'c', "file-system": 'f', "dereference": 'L', "printf": 'c'})
	need(p, o.args, 1)
	code := 0
	for _, name := range o.args {
		var err error
		if o.has('f') {
			err = statFileSystem(p, o, name)
		} else {
			err = statFile(p, o, name)
		}
		if err != nil {
			code = fail(p, "can't stat '"+name+"'", err)
		}
	}
	return code
}

func kindOf(stat *posix.Stat) string {
	switch stat.Mode & posix.TypeMask {
	case posix.Directory:
		return "directory"
	case posix.Link:
		return "symbolic link"
	case posix.Character:
		return "character special file"
	case posix.Block:
		return "block special file"
	case posix.Fifo:
		return "fifo"
	case posix.Socket:
		return "socket"
	}
	if stat.Size == 0 {
		return "regular empty file"
	}
	return "regular file"
}

func statFile(p *proc.Proc, o *options, name string) error {
	file := p.Path(name)
	stat, err := posix.GetStat(file, o.has('L'))
	if err != nil {
		return err
	}
	when := func(t int64) string { return time.Unix(0, t).UTC().Format("2006-01-02 15:04:05.000000000 -0700") }
	shown := name
	if target, err := os.Readlink(file); err == nil && stat.Is(posix.Link) {
		shown = "'" + name + "' -> '" + target + "'"
	}
	values := map[byte]string{
		'a': strconv.FormatUint(uint64(stat.Perm()), 8), 'A': modeText(stat.Mode), 'b': fmt.Sprint(stat.Blocks), 'B': "512",
		'd': fmt.Sprint(stat.Dev), 'D': fmt.Sprintf("%x", stat.Dev), 'f': fmt.Sprintf("%x", stat.Mode), 'F': kindOf(stat),
		'g': fmt.Sprint(stat.GID), 'G': named("/etc/group", "UNKNOWN", int(stat.GID)), 'h': fmt.Sprint(stat.Nlink),
		'i': fmt.Sprint(stat.Ino), 'n': name, 'N': shown, 'o': fmt.Sprint(stat.BlockSize), 's': fmt.Sprint(stat.Size),
		'u': fmt.Sprint(stat.UID), 'U': named("/etc/passwd", "UNKNOWN", int(stat.UID)), 'x': when(stat.Atime), 'y': when(stat.Mtime),
		'z': when(stat.Ctime), 'X': fmt.Sprint(stat.Atime / 1e9), 'Y': fmt.Sprint(stat.Mtime / 1e9), 'Z': fmt.Sprint(stat.Ctime / 1e9),
	}
	if o.has('c') {
		p.Printf("%s\n", percent(o.set['c'], values))
		return nil
	}
	p.Printf("%s", percent("  File: %N\n  Size: %s\tBlocks: %b\tIO Block: %o\t%F\nDevice: %Dh/%dd\tInode: %i\tLinks: %h\n"+
		"Access: (0%a/%A)  Uid: (%u/%U)   Gid: (%g/%G)\nAccess: %x\nModify: %y\nChange: %z\n", values))
	return nil
}

func statFileSystem(p *proc.Proc, o *options, name string) error {
	statfs, err := posix.GetStatfs(p.Path(name))
	if err != nil {
		return err
	}
	values := map[byte]string{
		'a': fmt.Sprint(statfs.Available), 'b': fmt.Sprint(statfs.Blocks), 'c': fmt.Sprint(statfs.Files), 'd': fmt.Sprint(statfs.FreeFiles),
		'f': fmt.Sprint(statfs.Free), 'i': "0", 'l': "255", 'n': name, 's': fmt.Sprint(statfs.BlockSize),
		'S': fmt.Sprint(statfs.BlockSize), 't': fmt.Sprintf("%x", statfs.Type), 'T': statfs.TypeName(),
	}
	format := "  File: \"%n\"\n    ID: %i Namelen: %l     Type: %T\nBlock size: %s\nBlocks: Total: %b Free: %f Available: %a\nInodes: Total: %c Free: %d\n"
	if o.has('c') {
		format = o.set['c'] + "\n"
	}
	p.Printf("%s", percent(format, values))
	return nil
}

func percent(format string, values map[byte]string) string {
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			out.WriteByte(format[i])
			continue
		}
		i++
		if value, ok := values[format[i]]; ok {
			out.WriteString(value)
		} else if format[i] == '%' {
			out.WriteByte('%')
		} else {
			out.WriteString("?")
		}
	}
	return out.String()
}

// finder is find(1): an expression of tests, all of which must hold, and actions.
type finder struct {
	p                  *proc.Proc
	tests              []func(file, shown string, stat *posix.Stat) bool
	minDepth, maxDepth int
	printed            bool
	follow             bool
	depthFirst         bool
}

func find(p *proc.Proc) int {
	f := &finder{p: p, maxDepth: 1 << 30}
	args := p.Args[1:]
	for len(args) > 0 && (args[0] == "-L" || args[0] == "-H" || args[0] == "-P") {
		f.follow = args[0] == "-L"
		args = args[1:]
	}
	var roots []string
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") && args[0] != "!" && args[0] != "(" {
		roots, args = append(roots, args[0]), args[1:]
	}
	if len(roots) == 0 {
		roots = []string{"."}
	}
	f.parse(args)
	if !f.printed {
		f.tests = append(f.tests, func(_, shown string, _ *posix.Stat) bool {
			p.Printf("%s\n", shown)
			return true
		})
	}
	code := 0
	for _, root := range roots {
		code = max(code, f.visit(p.Path(root), root, 0))
	}
	return code
}

func (f *finder) parse(args []string) {
	negated := false
	add := func(test func(file, shown string, stat *posix.Stat) bool) {
		if negated {
			inner := test
			test = func(file, shown string, stat *posix.Stat) bool { return !inner(file, shown, stat) }
			negated = false
		}
		f.tests = append(f.tests, test)
	}
	for len(args) > 0 {
		name := args[0]
		args = args[1:]
		switch name {
		case "!", "-not":
			negated = true
			continue
		case "-a", "-and":
			continue
		case "-print", "-print0":
			f.printed = true
			end := "\n"
			if name == "-print0" {
				end = "\x00"
			}
			add(func(_, shown string, _ *posix.Stat) bool { f.p.Printf("%s%s", shown, end); return true })
			continue
		case "-delete":
			f.printed, f.depthFirst = true, true
			add(func(file, _ string, _ *posix.Stat) bool { return os.Remove(file) == nil })
			continue
		case "-empty":
			add(func(file, _ string, stat *posix.Stat) bool { return isEmpty(file, stat) })
			continue
		case "-depth":
			f.depthFirst = true
			continue
		case "-exec":
			args = f.exec(args, add)
			continue
		}
		if len(args) == 0 {
			f.p.Errorf("%s requires an argument", name)
			f.p.Exit(1)
		}
		f.valueTest(name, args[0], add)
		args = args[1:]
	}
}

func isEmpty(file string, stat *posix.Stat) bool {
	if stat.Is(posix.Directory) {
		entries, err := os.ReadDir(file)
		return err == nil && len(entries) == 0
	}
	return stat.Is(posix.Regular) && stat.Size == 0
}

func (f *finder) exec(args []string, add func(func(file, shown string, stat *posix.Stat) bool)) []string {
	end := slices.IndexFunc(args, func(arg string) bool { return arg == ";" || arg == "+" })
	if end < 0 {
		f.p.Errorf("-exec CMD must end by ';'")
		f.p.Exit(1)
	}
	command := args[:end]
	f.printed = true
	add(func(_, shown string, _ *posix.Stat) bool {
		words := make([]string, len(command))
		for i, word := range command {
			words[i] = strings.ReplaceAll(word, "{}", shown)
		}
		return f.p.Child(words, nil) == 0
	})
	return args[end+1:]
}

func (f *finder) valueTest(name, value string, add func(func(file, shown string, stat *posix.Stat) bool)) {
	kinds := map[string]uint32{"f": posix.Regular, "d": posix.Directory, "l": posix.Link, "c": posix.Character, "b": posix.Block, "p": posix.Fifo, "s": posix.Socket}
	number := func() int {
		n, err := strconv.Atoi(strings.TrimLeft(value, "+-"))
		if err != nil {
			f.p.Errorf("invalid number '%s'", value)
			f.p.Exit(1)
		}
		return n
	}
	switch name {
	case "-name", "-iname":
		add(func(_, shown string, _ *posix.Stat) bool {
			base, pattern := path.Base(shown), value
			if name == "-iname" {
				base, pattern = strings.ToLower(base), strings.ToLower(pattern)
			}
			matched, err := path.Match(pattern, base)
			return err == nil && matched
		})
	case "-path":
		add(func(_, shown string, _ *posix.Stat) bool {
			matched, err := path.Match(strings.ReplaceAll(value, "/", "\x00"), strings.ReplaceAll(shown, "/", "\x00"))
			return err == nil && matched
		})
	case "-type":
		add(func(_, _ string, stat *posix.Stat) bool { return stat.Is(kinds[value]) })
	case "-maxdepth":
		f.maxDepth = number()
	case "-mindepth":
		f.minDepth = number()
	case "-user":
		id := idOf(f.p, "/etc/passwd", value)
		add(func(_, _ string, stat *posix.Stat) bool { return int(stat.UID) == id })
	case "-group":
		id := idOf(f.p, "/etc/group", value)
		add(func(_, _ string, stat *posix.Stat) bool { return int(stat.GID) == id })
	case "-perm":
		mode, err := strconv.ParseUint(strings.TrimLeft(value, "-/"), 8, 32)
		if err != nil {
			f.p.Errorf("invalid mode '%s'", value)
			f.p.Exit(1)
		}
		add(func(_, _ string, stat *posix.Stat) bool {
			if strings.HasPrefix(value, "-") {
				return stat.Perm()&uint32(mode) == uint32(mode)
			}
			return stat.Perm() == uint32(mode)
		})
	case "-size":
		want := amount(f.p, strings.TrimLeft(value, "+-"))
		add(func(_, _ string, stat *posix.Stat) bool { return compareTo(value, int64(stat.Size), want) })
	case "-mmin":
		want := int64(number()) * 60
		add(func(_, _ string, stat *posix.Stat) bool {
			return compareTo(value, time.Now().Unix()-stat.Mtime/1e9, want)
		})
	case "-mtime":
		want := int64(number())
		add(func(_, _ string, stat *posix.Stat) bool {
			return compareTo(value, (time.Now().Unix()-stat.Mtime/1e9)/86400, want)
		})
	default:
		f.p.Errorf("unrecognized: %s", name)
		f.p.Exit(1)
	}
}

func compareTo(value string, is, want int64) bool {
	switch value[0] {
	case '+':
		return is > want
	case '-':
		return is < want
	}
	return is == want
}

func (f *finder) visit(file, shown string, depth int) int {
	stat, err := posix.GetStat(file, f.follow)
	if err != nil && f.follow {
		stat, err = posix.GetStat(file, false)
	}
	if err != nil {
		return fail(f.p, shown, err)
	}
	code := 0
	if !f.depthFirst {
		f.apply(file, shown, stat, depth)
	}
	if stat.Is(posix.Directory) && depth < f.maxDepth {
		entries, err := os.ReadDir(file)
		if err != nil {
			code = fail(f.p, shown, err)
		}
		for _, entry := range entries {
			below := strings.TrimSuffix(shown, "/") + "/" + entry.Name()
			code = max(code, f.visit(filepath.Join(file, entry.Name()), below, depth+1))
		}
	}
	if f.depthFirst {
		f.apply(file, shown, stat, depth)
	}
	return code
}

func (f *finder) apply(file, shown string, stat *posix.Stat, depth int) {
	if depth < f.minDepth {
		return
	}
	for _, test := range f.tests {
		if !test(file, shown, stat) {
			return
		}
	}
}

func du(p *proc.Proc) int {
	o := parse(p, "shkmabcd:x", nil)
	names := o.args
	if len(names) == 0 {
		names = []string{"."}
	}
	show := func(blocks uint64, name string) {
		size := strconv.FormatUint((blocks+1)/2, 10)
		if o.has('h') {
			size = short(float64(blocks * 512))
		} else if o.has('m') {
			size = strconv.FormatUint((blocks+2047)/2048, 10)
		}
		p.Printf("%s\t%s\n", size, name)
	}
	code := 0
	var visit func(file, shown string, top bool) uint64
	visit = func(file, shown string, top bool) uint64 {
		stat, err := posix.GetStat(file, false)
		if err != nil {
			code = fail(p, shown, err)
			return 0
		}
		total := stat.Blocks
		if stat.Is(posix.Directory) {
			entries, err := os.ReadDir(file)
			if err != nil {
				code = fail(p, shown, err)
			}
			for _, entry := range entries {
				total += visit(path.Join(file, entry.Name()), path.Join(shown, entry.Name()), false)
			}
		}
		if top || !o.has('s') && (stat.Is(posix.Directory) || o.has('a')) {
			show(total, shown)
		}
		return total
	}
	for _, name := range names {
		visit(p.Path(name), name, true)
	}
	return code
}

// mounts are the lines of /proc/mounts where the system shows it, and the root.
func mounts() [][]string {
	data, err := os.ReadFile("/proc/mounts")
	if err != nil {
		fsType := "rootfs"
		if statfs, err := posix.GetStatfs("/"); err == nil {
			fsType = statfs.TypeName()
		}
		return [][]string{{"rootfs", "/", fsType, "rw", "0", "0"}}
	}
	var all [][]string
	for _, line := range lines(data) {
		if fields := strings.Fields(line); len(fields) >= 4 {
			all = append(all, fields)
		}
	}
	return all
}

func df(p *proc.Proc) int {
	o := parse(p, "hkmiTPat:", nil)
	unit := "1K-blocks"
	scale := func(bytes uint64) string { return strconv.FormatUint(bytes/1024, 10) }
	if o.has('h') {
		unit = "Size"
		scale = func(bytes uint64) string { return short(float64(bytes)) }
	} else if o.has('m') {
		unit = "1M-blocks"
		scale = func(bytes uint64) string { return strconv.FormatUint(bytes>>20, 10) }
	}
	rows := mounts()
	if len(o.args) > 0 {
		rows = nil
		for _, name := range o.args {
			rows = append(rows, []string{"none", name, "", ""})
		}
	}
	p.Printf("%-20s %12s %9s %9s %4s %s\n", "Filesystem", unit, "Used", "Available", "Use%", "Mounted on")
	code := 0
	for _, row := range rows {
		statfs, err := posix.GetStatfs(p.Path(row[1]))
		if err != nil {
			code = fail(p, row[1], err)
			continue
		}
		used := (statfs.Blocks - statfs.Free) * statfs.BlockSize
		available := statfs.Available * statfs.BlockSize
		share := uint64(0)
		if used+available > 0 {
			share = (used*100 + used + available - 1) / (used + available)
		}
		p.Printf("%-20s %12s %9s %9s %3d%% %s\n", row[0], scale(statfs.Blocks*statfs.BlockSize), scale(used), scale(available), share, row[1])
	}
	return code
}

func mount(p *proc.Proc) int {
	if len(p.Args) > 1 {
		p.Errorf("permission denied (are you root?)")
		return 1
	}
	for _, row := range mounts() {
		p.Printf("%s on %s type %s (%s)\n", row[0], row[1], row[2], row[3])
	}
	return 0
}

func mountpoint(p *proc.Proc) int {
	o := parse(p, "qdn", nil)
	need(p, o.args, 1)
	file := p.Path(o.args[0])
	here, err := posix.GetStat(file, true)
	above, errAbove := posix.GetStat(path.Dir(file), true)
	if err := errors.Join(err, errAbove); err != nil {
		return fail(p, o.args[0], fs.ErrNotExist)
	}
	is := here.Dev != above.Dev || here.Ino == above.Ino
	if !o.has('q') {
		not := ""
		if !is {
			not = "not "
		}
		p.Printf("%s is %sa mountpoint\n", o.args[0], not)
	}
	return 1 - boolToInt(is)
}
