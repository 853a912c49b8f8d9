package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/kubelet"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/util/oom"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
	"k8s.io/kubernetes/pkg/volume/util/subpath"
	"k8s.io/mount-utils"
)

// leaveTheMachineAlone replaces every dependency by which a kubelet changes its machine.
func leaveTheMachineAlone(dependencies *kubelet.Dependencies, server *options.KubeletServer, containerLogs string) error {
	if err := os.MkdirAll(containerLogs, 0755); err != nil {
		return err
	}
	kubelet.ContainerLogsDir = containerLogs
	mounter := mount.NewFakeMounter(nil)
	dependencies.Mounter = mounter
	dependencies.Subpather = subpath.New(linkMounter{mounter})
	dependencies.HostUtil = hostUtil{hostutil.NewHostUtil()}
	dependencies.OSInterface = redirectedOS{to: containerLogs}
	dependencies.OOMAdjuster = oom.NewFakeOOMAdjuster()
	dependencies.CAdvisorInterface = &machineFacts{rootDirectory: server.RootDirectory}
	dependencies.ContainerManager = containerManager{cm.NewStubContainerManager(), server.RootDirectory}
	return nil
}

// hostUtil is the real one, which only reads, but for the root folder's mount, which is left as it is.
type hostUtil struct{ hostutil.HostUtils }

func (hostUtil) MakeRShared(string) error { return nil }

// containerManager is Kubernetes' stub: no cgroups, no devices. The stub has no disk either, which no pod that asks for
// ephemeral storage could be scheduled to.
type containerManager struct {
	cm.ContainerManager
	rootDirectory string
}

func (m containerManager) GetCapacity(bool) v1.ResourceList {
	info, err := fileSystem(m.rootDirectory)
	if err != nil {
		return v1.ResourceList{}
	}
	return v1.ResourceList{
		v1.ResourceEphemeralStorage: *resource.NewQuantity(int64(info.Capacity), resource.BinarySI),
	}
}

// linkMounter makes a symbolic link where the subpath code asks for a bind mount, so that this code, with its checks and
// its messages, is the kubelet's own: a runtime resolves the link when the container is made, as the kernel does with
// the source of a mount.
type linkMounter struct{ *mount.FakeMounter }

func (m linkMounter) MountSensitiveWithoutSystemdWithMountFlags(source, target, _ string, _, _, _ []string) error {
	// /proc/PID/fd/N of a file that was opened without following links.
	real, err := filepath.EvalSymlinks(source)
	if err != nil {
		return err
	}
	if err := os.Remove(target); err != nil {
		return err
	}
	return os.Symlink(real, target)
}

func (m linkMounter) IsLikelyNotMountPoint(file string) (bool, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return true, err
	}
	return info.Mode()&os.ModeSymlink == 0, nil
}

func (m linkMounter) IsMountPoint(file string) (bool, error) {
	not, err := m.IsLikelyNotMountPoint(file)
	return err == nil && !not, err
}

// Unmount leaves an empty folder or file, as what lies under a mount.
func (m linkMounter) Unmount(target string) error {
	if not, err := m.IsLikelyNotMountPoint(target); err != nil || not {
		return fmt.Errorf("%s is no mount point: %w", target, os.ErrInvalid)
	}
	info, err := os.Stat(target)
	isFolder := err == nil && info.IsDir()
	if err := os.Remove(target); err != nil {
		return err
	}
	if isFolder {
		return os.Mkdir(target, 0750)
	}
	return os.WriteFile(target, nil, 0640)
}

// legacyLogs is where kuberuntime keeps its links to the logs; the path is a constant there.
const legacyLogs = kubelet.DefaultContainerLogsDir

// redirectedOS is the real one, with another folder in the place of /var/log/containers.
type redirectedOS struct {
	kubecontainer.RealOS
	to string
}

func (o redirectedOS) path(path string) string {
	if path == legacyLogs || strings.HasPrefix(path, legacyLogs+"/") {
		return o.to + strings.TrimPrefix(path, legacyLogs)
	}
	return path
}

func (o redirectedOS) Symlink(to, path string) error { return o.RealOS.Symlink(to, o.path(path)) }
func (o redirectedOS) Remove(path string) error      { return o.RealOS.Remove(o.path(path)) }
func (o redirectedOS) RemoveAll(path string) error   { return o.RealOS.RemoveAll(o.path(path)) }

func (o redirectedOS) Glob(pattern string) ([]string, error) { return o.RealOS.Glob(o.path(pattern)) }

func (o redirectedOS) MkdirAll(path string, mode os.FileMode) error {
	return o.RealOS.MkdirAll(o.path(path), mode)
}

func (o redirectedOS) Stat(path string) (os.FileInfo, error) { return o.RealOS.Stat(o.path(path)) }
