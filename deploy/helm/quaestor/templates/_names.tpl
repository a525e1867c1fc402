{{/* Names and labels. */}}

{{- define "quaestor.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* At most 40 characters, so that what is appended to it (and the number of a pod) stays within 63. */}}
{{- define "quaestor.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "quaestor.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "quaestor.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "quaestor.observersName" -}}
{{ include "quaestor.fullname" . }}-observer
{{- end }}

{{- define "quaestor.headlessName" -}}
{{ include "quaestor.fullname" . }}-peers
{{- end }}

{{/* An id (which may have dots and underscores) as a part of a Kubernetes name. */}}
{{- define "quaestor.dnsLabel" -}}
{{ . | replace "_" "-" | replace "." "-" }}
{{- end }}

{{- define "quaestor.serviceAccountName" -}}
{{- default (include "quaestor.fullname" .) .Values.serviceAccount.existing }}
{{- end }}

{{- define "quaestor.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* Labels that never change: selectors. Takes (dict "root" $ "component" "validator"). */}}
{{- define "quaestor.selectorLabels" -}}
app.kubernetes.io/name: {{ include "quaestor.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* All labels. Takes (dict "root" $ "component" "validator"). */}}
{{- define "quaestor.labels" -}}
{{ include "quaestor.selectorLabels" . }}
app.kubernetes.io/part-of: quaestor
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The head of an object. Takes (dict "root" $ "component" ... "name" ... "annotations" (dict)). */}}
{{- define "quaestor.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "quaestor.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
