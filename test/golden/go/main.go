// Command kubelet is Kubernetes' own kubelet without the machine: everything that decides what a pod's life looks like
// (sources, workers, prober, status, volumes, images, events, the HTTPS server and its authorisation) is the kubelet's
// code and talks to a real API server and a real CRI endpoint. What would change the machine, or needs root to do so
// (cgroups, mounts, the OOM score, the kernel's log, cAdvisor, /var/log), is put in its place: see machine.go.
//
// It takes the kubelet's own flags and configuration file, and --container-logs-dir.
package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/flagz"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-base/cli"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	zpagesfeatures "k8s.io/component-base/zpages/features"
	"k8s.io/kubernetes/cmd/kubelet/app"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/kubelet/apis/config/validation"
	"k8s.io/kubernetes/pkg/kubelet/kubeletconfig/configfiles"
	kubeletserver "k8s.io/kubernetes/pkg/kubelet/server"
	utilfs "k8s.io/kubernetes/pkg/util/filesystem"
)

func main() {
	flags := options.NewKubeletFlags()
	containerLogs := ""
	command := &cobra.Command{
		Use:          "kubelet",
		Short:        "The kubelet without the machine",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(command *cobra.Command, _ []string) error {
			return run(genericapiserver.SetupSignalContext(), flags, command.Flags(), containerLogs)
		},
	}
	flags.AddFlags(command.Flags())
	command.Flags().StringVar(&containerLogs, "container-logs-dir", "", "stands in for /var/log/containers")
	_ = command.MarkFlagRequired("container-logs-dir")
	_ = command.MarkFlagRequired("config")
	os.Exit(cli.Run(command))
}

// run does what the kubelet's own command does (cmd/kubelet/app/server.go, NewKubeletCommand), but for flags that repeat
// the configuration file.
func run(ctx context.Context, flags *options.KubeletFlags, flagSet *pflag.FlagSet, containerLogs string) error {
	loader, err := configfiles.NewFsLoader(&utilfs.DefaultFs{}, flags.KubeletConfigFile)
	if err != nil {
		return err
	}
	config, err := loader.Load(ctx)
	if err != nil {
		return err
	}
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(config.FeatureGates); err != nil {
		return err
	}
	if err := logsapi.ValidateAndApply(&config.Logging, utilfeature.DefaultFeatureGate); err != nil {
		return err
	}
	if err := validation.ValidateKubeletConfiguration(config, utilfeature.DefaultFeatureGate); err != nil {
		return err
	}
	server := &options.KubeletServer{KubeletFlags: *flags, KubeletConfiguration: *config}
	dependencies, err := app.UnsecuredDependencies(ctx, server, utilfeature.DefaultFeatureGate)
	if err != nil {
		return err
	}
	if utilfeature.DefaultFeatureGate.Enabled(zpagesfeatures.ComponentFlagz) {
		flagSets := map[string]*pflag.FlagSet{kubeletserver.ComponentKubelet: flagSet}
		dependencies.Flagz = flagz.NamedFlagSetsReader{FlagSets: cliflag.NamedFlagSets{FlagSets: flagSets}}
	}
	if err := leaveTheMachineAlone(dependencies, server, containerLogs); err != nil {
		return err
	}
	return app.Run(ctx, server, dependencies, utilfeature.DefaultFeatureGate)
}
