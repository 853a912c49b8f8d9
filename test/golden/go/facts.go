package main

import (
	"context"
	"os"
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

// ContainerInfoV2 knows the machine as a whole, and that only where it is asked for: without, a kubelet has no
// statistics, and so its eviction manager does nothing. The amounts are the system's; what they are made of is not told.
func (f *machineFacts) ContainerInfoV2(string, cadvisorapiv2.RequestOptions) (map[string]cadvisorapiv2.ContainerInfo, error) {
	if os.Getenv("GOLDEN_MACHINE_STATISTICS") == "" {
		return nil, nil
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return nil, err
	}
	var clock unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock); err != nil {
		return nil, err
	}
	unit := uint64(info.Unit)
	used := (info.Totalram - info.Freeram) * unit
	now := time.Now()
	return map[string]cadvisorapiv2.ContainerInfo{"/": {
		Spec: cadvisorapiv2.ContainerSpec{HasCpu: true, HasMemory: true, CreationTime: now},
		Stats: []*cadvisorapiv2.ContainerStats{{
			Timestamp: now,
			Cpu:       &cadvisorapi.CpuStats{Usage: cadvisorapi.CpuUsage{Total: uint64(clock.Nano())}},
			Memory: &cadvisorapi.MemoryStats{
				Usage:      used,
				WorkingSet: used,
				Swap:       (info.Totalswap - info.Freeswap) * unit,
			},
		}},
	}}, nil
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
