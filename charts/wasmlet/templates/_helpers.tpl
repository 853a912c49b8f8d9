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
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}

{{- define "wasmlet.selectorLabels" -}}
app.kubernetes.io/name: {{ include "wasmlet.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "wasmlet.labels" -}}
{{ include "wasmlet.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
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

{{- define "wasmlet.placement" -}}
{{- with .Values.affinity }}
affinity:{{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:{{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:{{ toYaml . | nindent 2 }}
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
