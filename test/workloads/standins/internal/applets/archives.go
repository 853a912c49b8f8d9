package applets

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

var archives map[string]proc.Main

func init() {
	archives = map[string]proc.Main{"tar": tarApplet, "gzip": gzipApplet, "gunzip": gzipApplet, "zcat": gzipApplet}
}

func tarApplet(p *proc.Proc) int {
	if len(p.Args) > 1 && !strings.HasPrefix(p.Args[1], "-") {
		p.Args[1] = "-" + p.Args[1]
	}
	o := parse(p, "cxtf:C:zvmpokhO", map[string]byte{
		"create": 'c', "extract": 'x', "list": 't', "file": 'f', "directory": 'C', "gzip": 'z', "no-same-owner": 'o',
		"no-same-permissions": 'm', "numeric-owner": 'o', "strip-components": 'k', "warning": 'o', "keep-directory-symlink": 'o',
	})
	if o.has('C') {
		p.Dir = path.Clean(p.Path(o.set['C']))
	}
	switch {
	case o.has('c'):
		return tarCreate(p, o)
	case o.has('x'), o.has('t'):
		return tarRead(p, o)
	}
	p.Errorf("one of 'c', 'x', 't' is needed")
	return 1
}

func tarCreate(p *proc.Proc, o *options) int {
	var out io.Writer = p.Out()
	if name := o.set['f']; o.has('f') && name != "-" {
		file, err := p.Create(name, os.O_TRUNC)
		if err != nil {
			return openFailed(p, err)
		}
		defer file.Close()
		out = file
	}
	if o.has('z') {
		compressed := gzip.NewWriter(out)
		defer compressed.Close()
		out = compressed
	}
	archive := tar.NewWriter(out)
	code := 0
	for _, name := range o.args {
		root := p.Path(name)
		err := filepath.WalkDir(root, func(file string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			shown := strings.TrimPrefix(path.Join(name, strings.TrimPrefix(file, root)), "/")
			return tarAdd(archive, file, shown)
		})
		if err != nil {
			code = p.Fail(err)
		}
	}
	if err := archive.Close(); err != nil {
		return p.Fail(err)
	}
	return code
}

func tarAdd(archive *tar.Writer, file, name string) error {
	stat, err := posix.GetStat(file, false)
	if err != nil {
		return err
	}
	header := &tar.Header{
		Name: name, Mode: int64(stat.Perm()), Uid: int(stat.UID), Gid: int(stat.GID), ModTime: time.Unix(0, stat.Mtime), Format: tar.FormatGNU,
	}
	switch {
	case stat.Is(posix.Directory):
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
	case stat.Is(posix.Link):
		header.Typeflag = tar.TypeSymlink
		if header.Linkname, err = os.Readlink(file); err != nil {
			return err
		}
	case stat.Is(posix.Regular):
		header.Typeflag, header.Size = tar.TypeReg, int64(stat.Size)
	default:
		return nil
	}
	if err := archive.WriteHeader(header); err != nil || header.Typeflag != tar.TypeReg {
		return err
	}
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.CopyN(archive, in, header.Size)
	return err
}

func tarRead(p *proc.Proc, o *options) int {
	name := "-"
	if o.has('f') {
		name = o.set['f']
	}
	in, err := p.Input(name)
	if err != nil {
		return openFailed(p, err)
	}
	defer in.Close()
	var source io.Reader = in
	if o.has('z') {
		if source, err = gzip.NewReader(in); err != nil {
			return p.Fail(err)
		}
	}
	archive := tar.NewReader(source)
	code := 0
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return code
		}
		if err != nil {
			return p.Fail(err)
		}
		if !wanted(header.Name, o.args) {
			continue
		}
		if o.has('t') || o.has('v') {
			p.Printf("%s\n", header.Name)
		}
		if o.has('t') {
			continue
		}
		if o.has('O') {
			_, err = io.Copy(p.Out(), archive)
		} else {
			err = tarExtract(p, header, archive)
		}
		if err != nil {
			code = p.Fail(err)
		}
	}
}

func wanted(name string, names []string) bool {
	if len(names) == 0 {
		return true
	}
	name = path.Clean(name)
	for _, one := range names {
		one = path.Clean(one)
		if name == one || strings.HasPrefix(name, one+"/") {
			return true
		}
	}
	return false
}

func tarExtract(p *proc.Proc, header *tar.Header, content io.Reader) error {
	// A name never leads out of the directory that is extracted to.
	file := path.Join(p.Dir, path.Clean("/"+header.Name))
	if header.Typeflag != tar.TypeDir {
		if err := os.MkdirAll(path.Dir(file), 0o777); err != nil {
			return err
		}
	}
	switch header.Typeflag {
	case tar.TypeDir:
		if err := os.MkdirAll(file, 0o777); err != nil {
			return err
		}
	case tar.TypeSymlink:
		_ = os.Remove(file)
		return os.Symlink(header.Linkname, file)
	case tar.TypeLink:
		return os.Link(path.Join(p.Dir, path.Clean("/"+header.Linkname)), file)
	case tar.TypeReg:
		_ = os.Remove(file)
		out, err := os.Create(file)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, content)
		if err := errors.Join(err, out.Close()); err != nil {
			return err
		}
	default:
		return nil
	}
	if posix.HasModes() {
		return posix.Chmod(file, uint32(header.Mode)&0o7777)
	}
	return nil
}

func gzipApplet(p *proc.Proc) int {
	o := parse(p, "dcfk123456789n", nil)
	decompress := o.has('d') || path.Base(p.Args[0]) != "gzip"
	toStdout := o.has('c') || path.Base(p.Args[0]) == "zcat" || len(o.args) == 0
	code := 0
	for _, name := range append([]string{}, orDash(o.args)...) {
		if err := gzipOne(p, name, decompress, toStdout, o.has('k')); err != nil {
			code = p.Fail(err)
		}
	}
	return code
}

func orDash(names []string) []string {
	if len(names) == 0 {
		return []string{"-"}
	}
	return names
}

func gzipOne(p *proc.Proc, name string, decompress, toStdout, keep bool) error {
	in, err := p.Input(name)
	if err != nil {
		return err
	}
	defer in.Close()
	out := io.WriteCloser(nopWriteCloser{p.Out()})
	if !toStdout {
		target := name + ".gz"
		if decompress {
			target = strings.TrimSuffix(name, ".gz")
		}
		if out, err = p.Create(target, os.O_TRUNC); err != nil {
			return err
		}
	}
	if decompress {
		var plain *gzip.Reader
		if plain, err = gzip.NewReader(in); err == nil {
			_, err = io.Copy(out, plain)
		}
	} else {
		compressed := gzip.NewWriter(out)
		_, err = io.Copy(compressed, in)
		err = errors.Join(err, compressed.Close())
	}
	if err = errors.Join(err, out.Close()); err == nil && !toStdout && !keep {
		err = os.Remove(p.Path(name))
	}
	return err
}
