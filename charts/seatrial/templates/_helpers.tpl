{{/* Labels of every object; call with (dict "root" $ "component" "archive"). */}}
{{- define "seatrial.labels" -}}
{{ include "seatrial.selector" . }}
app.kubernetes.io/part-of: seatrial
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* What pods of one component are found by. */}}
{{- define "seatrial.selector" -}}
app.kubernetes.io/name: seatrial
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* An image's full name; call with (dict "root" $ "name" "operator"). */}}
{{- define "seatrial.image" -}}
{{- with .root.Values.images.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ get .root.Values.images .name }}
{{- end }}

{{- define "seatrial.keySecret" -}}
{{ .Values.key.existingSecret | default "seatrial-key" }}
{{- end }}

{{- define "seatrial.tools" -}}
{{- if ne .Values.tools "auto" }}{{ .Values.tools }}
{{- else if semverCompare ">=1.36.0-0" .Capabilities.KubeVersion.Version }}ImageVolume
{{- else }}Copy
{{- end }}
{{- end }}

{{/* Pod Security "restricted", for every pod of the chart. */}}
{{- define "seatrial.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "seatrial.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where pods may run; call with the component's values. */}}
{{- define "seatrial.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
