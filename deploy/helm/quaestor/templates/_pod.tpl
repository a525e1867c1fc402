{{/* What the pods of validators, observers, jobs and tests have in common. */}}

{{/* Fit for the "restricted" Pod Security Standard. */}}
{{- define "quaestor.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ .Values.securityContext.runAsUser | int64 }}
runAsGroup: {{ .Values.securityContext.runAsGroup | int64 }}
fsGroup: {{ .Values.securityContext.fsGroup | int64 }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "quaestor.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "quaestor.imageFields" -}}
image: {{ include "quaestor.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{/* Files of a TLS secret at a folder of a projected volume. Takes (dict "secret" ... "folder" ... "ca" true). */}}
{{- define "quaestor.tlsSource" -}}
- secret:
    name: {{ .secret }}
    items:
      - { key: tls.crt, path: {{ .folder }}/tls.crt }
      - { key: tls.key, path: {{ .folder }}/tls.key }
      {{- if .ca }}
      - { key: ca.crt, path: {{ .folder }}/ca.crt }
      {{- end }}
{{- end }}

{{/* Volumes of authorities that are not in the TLS secrets. */}}
{{- define "quaestor.trustVolumes" -}}
{{- range $side := list "peers" "clients" }}
{{- with index $.Values.trust $side }}
{{- if .configMap }}
- name: trust-{{ $side }}
  configMap:
    name: {{ .configMap }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "quaestor.trustMounts" -}}
{{- range $side := list "peers" "clients" }}
{{- if (index $.Values.trust $side).configMap }}
- { name: trust-{{ $side }}, mountPath: /etc/quaestor/trust/{{ $side }}, readOnly: true }
{{- end }}
{{- end }}
{{- end }}

{{/*
The container of a node. Takes (dict "root" $ "config" path of its configuration "resources" ... "ports" list of names
"mounts" YAML text of its own mounts).
*/}}
{{- define "quaestor.nodeContainer" -}}
{{- $root := .root -}}
name: node
{{ include "quaestor.imageFields" $root }}
args: [start, --config, {{ .config | quote }}]
env:
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  {{- with $root.Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  {{- range .ports }}
  - { name: {{ . }}, containerPort: {{ index $root.Values.ports . | int }}, protocol: TCP }
  {{- end }}
{{- $probes := $root.Values.probes }}
startupProbe:
  httpGet: { path: /healthz, port: http }
  {{- toYaml $probes.startup | nindent 2 }}
livenessProbe:
  httpGet: { path: /healthz, port: http }
  {{- toYaml $probes.liveness | nindent 2 }}
readinessProbe:
  httpGet: { path: /readyz, port: http }
  {{- toYaml $probes.readiness | nindent 2 }}
{{- if $root.Values.preStopSleepSeconds }}
lifecycle:
  preStop:
    sleep: { seconds: {{ $root.Values.preStopSleepSeconds | int }} }
{{- end }}
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  {{- include "quaestor.containerSecurityContext" $root | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - { name: config, mountPath: /etc/quaestor/config, readOnly: true }
  - { name: genesis, mountPath: /etc/quaestor/genesis, readOnly: true }
  - { name: tls, mountPath: /etc/quaestor/tls, readOnly: true }
  - { name: data, mountPath: /var/lib/quaestor }
  {{- with .mounts }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "quaestor.trustMounts" $root }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $root.Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Refuses to start on another genesis than the one that was agreed on. */}}
{{- define "quaestor.genesisCheck" -}}
{{- if .Values.genesis.sha256 }}
initContainers:
  - name: genesis
    {{- include "quaestor.imageFields" . | nindent 4 }}
    command: [/usr/local/bin/node]
    args:
      - --input-type=module
      - --eval
      - |
        import { createHash } from 'node:crypto';
        import { readFileSync } from 'node:fs';
        const [file, expected] = process.argv.slice(1);
        const found = createHash('sha256').update(readFileSync(file)).digest('hex');
        if (found === expected) process.exit(0);
        console.error(`The genesis file has the SHA-256 ${found}; genesis.sha256 expects ${expected}. Compare both with the other institutions.`);
        process.exit(1);
      - /etc/quaestor/genesis/{{ include "quaestor.genesisKey" . }}
      - {{ .Values.genesis.sha256 | quote }}
    resources:
      requests: { cpu: 50m, memory: 64Mi }
      limits: { memory: 128Mi }
    securityContext:
      {{- include "quaestor.containerSecurityContext" . | nindent 6 }}
    terminationMessagePolicy: FallbackToLogsOnError
    volumeMounts:
      - { name: genesis, mountPath: /etc/quaestor/genesis, readOnly: true }
{{- end }}
{{- end }}

{{/* Fields of a pod that are the same for nodes. Takes (dict "root" $ "component" ... "place" values with nodeSelector, tolerations, affinity). */}}
{{- define "quaestor.podPlace" -}}
{{- $root := .root -}}
serviceAccountName: {{ include "quaestor.serviceAccountName" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $root.Values.terminationGracePeriodSeconds | int }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $root.Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
securityContext:
  {{- include "quaestor.podSecurityContext" $root | nindent 2 }}
topologySpreadConstraints:
  {{- range $key, $policy := dict "kubernetes.io/hostname" $root.Values.topologySpread.host "topology.kubernetes.io/zone" $root.Values.topologySpread.zone }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $policy }}
    labelSelector:
      matchLabels:
        {{- include "quaestor.selectorLabels" (dict "root" $root "component" $.component) | nindent 8 }}
  {{- end }}
{{- with .place.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .place.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .place.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
