package main

import (
	"context"
	"runtime"
	"time"

	cadvisorapi "github.com/google/cadvisor/info/v1"
	cadvisorapiv2 "github.com/google/cadvisor/info/v2"
	"golang.org/x/sys/unix"
	cadvisortest "k8s.io/kubernetes/pkg/kubelet/cadvisor/testing"
)

// machineFacts answers as cAdvisor does where a node's capacity depends on it, by what any user may ask the system.
// cAdvisor itself walks the cgroups of the machine. The versions of kernel and system are the fake's.
type machineFacts struct {
	cadvisortest.Fake
	rootDirectory string
}

func (f *machineFacts) MachineInfo() (*cadvisorapi.MachineInfo, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return nil, err
	}
	return &cadvisorapi.MachineInfo{
		NumCores:       runtime.NumCPU(),
		MemoryCapacity: info.Totalram * uint64(info.Unit),
	}, nil
}

func (f *machineFacts) RootFsInfo() (cadvisorapiv2.FsInfo, error) {
	return fileSystem(f.rootDirectory)
}

func (f *machineFacts) ImagesFsInfo(context.Context) (cadvisorapiv2.FsInfo, error) {
	return fileSystem(f.rootDirectory)
}

func (f *machineFacts) ContainerFsInfo(context.Context) (cadvisorapiv2.FsInfo, error) {
	return fileSystem(f.rootDirectory)
}

func (f *machineFacts) GetDirFsInfo(path string) (cadvisorapiv2.FsInfo, error) {
	return fileSystem(path)
}

func fileSystem(path string) (cadvisorapiv2.FsInfo, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return cadvisorapiv2.FsInfo{}, err
	}
	size := uint64(stat.Bsize)
	inodes, free := stat.Files, stat.Ffree
	return cadvisorapiv2.FsInfo{
		Timestamp:  time.Now(),
		Mountpoint: path,
		Capacity:   stat.Blocks * size,
		Available:  stat.Bavail * size,
		Usage:      (stat.Blocks - stat.Bfree) * size,
		Inodes:     &inodes,
		InodesFree: &free,
	}, nil
}
