{{/* The configuration files of the nodes. */}}

{{- define "quaestor.certificates" -}}
{{- /* Takes (dict "root" $ "dir" folder "trust" entry of .Values.trust "mount" its folder). */ -}}
ca: {{ if .trust.configMap }}{{ .mount }}/{{ .trust.key }}{{ else }}{{ .dir }}/ca.crt{{ end }}
cert: {{ .dir }}/tls.crt
key: {{ .dir }}/tls.key
{{- end }}

{{/*
One node's configuration. Takes (dict "root" $ "role" "validator" "id" ... "tls" folder of its certificates "key" where its key is, if elsewhere).
*/}}
{{- define "quaestor.nodeConfig" -}}
{{- $root := .root }}
{{- $host := ternary (printf "[%s]" $root.Values.listenHost) $root.Values.listenHost (contains ":" $root.Values.listenHost) }}
{{- $loopback := ternary "[::1]" "127.0.0.1" (contains ":" $root.Values.listenHost) }}
{{- $ports := $root.Values.ports }}
role: {{ .role }}
validator: {{ .id | quote }}
dataDir: /var/lib/quaestor/data
network:
  genesis: /etc/quaestor/genesis/{{ include "quaestor.genesisKey" $root }}
  {{- with $root.Values.config.network }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
peers:
  {{- range include "quaestor.validators" $root | fromJsonArray }}
  - validator: {{ .id | quote }}
    address: {{ printf "%s:%d" (include "quaestor.podHost" (dict "root" $root "pod" .pod)) (int $ports.peer) | quote }}
  {{- end }}
  {{- range $root.Values.peers }}
  - validator: {{ .validator | quote }}
    address: {{ .address | quote }}
  {{- end }}
listen:
  peer: {{ printf "%s:%d" $host (int $ports.peer) | quote }}
  client: {{ printf "%s:%d" $host (int $ports.client) | quote }}
  admin: {{ printf "%s:%d" $loopback (int $ports.admin) | quote }}
  http: {{ printf "%s:%d" $host (int $ports.http) | quote }}
tls:
  peer:
    {{- include "quaestor.certificates" (dict "root" $root "dir" (printf "%s/peer" .tls) "trust" $root.Values.trust.peers "mount" "/etc/quaestor/trust/peers") | nindent 4 }}
  client:
    {{- include "quaestor.certificates" (dict "root" $root "dir" (printf "%s/client" .tls) "trust" $root.Values.trust.clients "mount" "/etc/quaestor/trust/clients") | nindent 4 }}
{{- if eq .role "validator" }}
key:
  {{- if .key }}
  {{- toYaml .key | nindent 2 }}
  {{- else }}
  file: /etc/quaestor/key/validator.key
  passwordFile: /etc/quaestor/key/validator.password
  {{- end }}
{{- end }}
{{- with omit $root.Values.config "network" }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "quaestor.genesisKey" -}}
{{- if or .Values.devnet.enabled .Values.genesis.content -}}genesis.yaml{{- else -}}{{ .Values.genesis.key }}{{- end }}
{{- end }}

{{/* The volume with the genesis file. */}}
{{- define "quaestor.genesisVolume" -}}
name: genesis
{{- if .Values.devnet.enabled }}
secret:
  secretName: {{ include "quaestor.fullname" . }}-genesis
{{- else if .Values.genesis.content }}
configMap:
  name: {{ include "quaestor.fullname" . }}-genesis
{{- else if .Values.genesis.existingConfigMap }}
configMap:
  name: {{ .Values.genesis.existingConfigMap }}
{{- else }}
secret:
  secretName: {{ .Values.genesis.existingSecret }}
{{- end }}
{{- end }}
