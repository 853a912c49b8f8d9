{{- define "wasmlet.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Replicas' pods, and so nodes, are named after it. */}}
{{- define "wasmlet.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "wasmlet.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "wasmlet.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of what is the cluster's and not a namespace's. */}}
{{- define "wasmlet.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "wasmlet.fullname" .) -}}
{{- end -}}

{{/* The value of the label by which the release's nodes are known. */}}
{{- define "wasmlet.release" -}}
{{- printf "%s.%s" .Release.Namespace (include "wasmlet.fullname" .) | trunc 63 | trimAll "-." -}}
{{- end -}}

{{- define "wasmlet.serviceAccount" -}}
{{- default (include "wasmlet.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "wasmlet.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "wasmlet.selectorLabels" -}}
app.kubernetes.io/name: {{ include "wasmlet.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "wasmlet.labels" -}}
{{- $own := dict
      "app.kubernetes.io/version" .Chart.AppVersion
      "app.kubernetes.io/managed-by" .Release.Service
      "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version) -}}
{{- toYaml (merge (include "wasmlet.selectorLabels" . | fromYaml) $own .Values.commonLabels) -}}
{{- end -}}

{{/* Of the agent's pods. */}}
{{- define "wasmlet.podLabels" -}}
{{- toYaml (merge (include "wasmlet.selectorLabels" . | fromYaml) .Values.podLabels .Values.commonLabels) -}}
{{- end -}}

{{/* Of pods that a hook runs: no node is among them. */}}
{{- define "wasmlet.hookPodLabels" -}}
{{- $own := dict
      "app.kubernetes.io/name" (printf "%s-departure" (include "wasmlet.name" .))
      "app.kubernetes.io/instance" .Release.Name -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{- define "wasmlet.port" -}}
{{- if eq .Values.mode "full" }}{{ .Values.full.port }}{{ else }}{{ .Values.unprivileged.port }}{{ end -}}
{{- end -}}

{{/* What the agent's container has and the runtime's has not: the token to ask for the node's certificate with. */}}
{{- define "wasmlet.tokenVolume" -}}
- name: token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: { path: token, expirationSeconds: 3607 }
      - configMap: { name: kube-root-ca.crt, items: [{ key: ca.crt, path: ca.crt }] }
      - downwardAPI: { items: [{ path: namespace, fieldRef: { fieldPath: metadata.namespace } }] }
{{- end -}}

{{- define "wasmlet.unprivilegedSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "wasmlet.unprivilegedPodSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{/* Of a hook's container: a quota may want requests of each. */}}
{{- define "wasmlet.hookResources" -}}
requests: { cpu: 50m, memory: 64Mi }
limits: { memory: 256Mi }
{{- end -}}

{{/* How long a replica's pod has to end: refused where its pods would be killed before they had their time. */}}
{{- define "wasmlet.terminationGracePeriod" -}}
{{- $seconds := dict "ms" 0.001 "s" 1 "m" 60 "h" 3600 -}}
{{- $needed := 0.0 -}}
{{- with .Values.unprivileged -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" .shutdownGracePeriod -1 -}}
{{- $needed = addf $needed (mulf (regexFind "[0-9]+" .) (get $seconds (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{- if le (float64 .terminationGracePeriodSeconds) $needed -}}
{{- printf "unprivileged.terminationGracePeriodSeconds is %v, and has to be longer than unprivileged.shutdownGracePeriod, %s"
      .terminationGracePeriodSeconds .shutdownGracePeriod | fail -}}
{{- end -}}
{{- .terminationGracePeriodSeconds -}}
{{- end -}}
{{- end -}}

{{- define "wasmlet.placement" -}}
{{- with .Values.affinity }}
affinity:{{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:{{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
{{- $own := dict "labelSelector" (dict "matchLabels" (include "wasmlet.selectorLabels" $ | fromYaml)) }}
topologySpreadConstraints:
{{- range . }}
  {{- list (hasKey . "labelSelector" | ternary . (merge (dict) . $own)) | toYaml | nindent 2 }}
{{- end }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:{{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What the runtime's supervisor is started by, so that it is the machine's and not the container's: with systemd as a
scope of its own, else in the topmost control groups. nsenter is the image's, all after it the machine's. */}}
{{- define "wasmlet.launch" -}}
cd {{ .Values.full.rootDir | squote }} || exit
if [ -d /run/systemd/system ]; then
  exec systemd-run --quiet --scope --collect --property=Delegate=yes --unit="wasmlet-runtime-$$" -- "$@"
fi
for procs in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do
  if [ -w "$procs" ]; then echo $$ > "$procs"; fi
done
exec "$@"
{{- end -}}

{{- define "wasmlet.config" -}}
{{- $labels := merge (dict "wasmlet.dev/release" (include "wasmlet.release" .)) .Values.nodeLabels -}}
{{- $common := dict "nodeLabels" $labels "clusterDNS" .Values.clusterDNS "clusterDomain" .Values.clusterDomain
      "port" (include "wasmlet.port" . | int) -}}
{{- if eq .Values.mode "full" -}}
{{- $launcher := list "nsenter" "--target" "1" "--mount" "--uts" "--ipc" "--" "/bin/sh" "-c" (include "wasmlet.launch" .) "launch" -}}
{{- $own := dict "rootDir" .Values.full.rootDir "capacity" .Values.full.capacity "runtimeLauncher" $launcher
      "cniConfDir" .Values.full.cni.confDir "cniBinDir" .Values.full.cni.binDir "podsOnShutdown" "leave" -}}
{{- toYaml (mergeOverwrite $common $own .Values.config) -}}
{{- else -}}
{{- $limits := .Values.unprivileged.resources.limits -}}
{{- $capacity := dict "cpu" (toString $limits.cpu) "memory" (toString $limits.memory) -}}
{{- $own := dict "rootDir" "/var/lib/wasmlet" "podLogsDir" "/var/lib/wasmlet/log/pods"
      "containerLogsDir" "/var/lib/wasmlet/log/containers" "cgroupRoot" "" "startRuntime" false "capacity" $capacity
      "podsOnShutdown" "end" "shutdownGracePeriod" .Values.unprivileged.shutdownGracePeriod -}}
{{- toYaml (mergeOverwrite $common $own .Values.config) -}}
{{- end -}}
{{- end -}}
