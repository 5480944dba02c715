package main

// schemaVersion is that of Grafana 10.4 and 11.0: those and newer ones read it, newer ones bring it up to theirs when they load it.
const schemaVersion = 39

// obj is a part of a dashboard whose keys only Grafana needs to know; encoding/json writes them sorted.
type obj = map[string]any

// dashboard is Grafana's classic JSON, as far as we use it.
type dashboard struct {
	ID            *int       `json:"id"` // null: Grafana gives one
	UID           string     `json:"uid"`
	Title         string     `json:"title"`
	Description   string     `json:"description"`
	Tags          []string   `json:"tags"`
	Timezone      string     `json:"timezone"`
	Editable      bool       `json:"editable"`
	GraphTooltip  int        `json:"graphTooltip"`
	Refresh       string     `json:"refresh"`
	SchemaVersion int        `json:"schemaVersion"`
	Version       int        `json:"version"`
	Time          obj        `json:"time"`
	Links         []obj      `json:"links"`
	Annotations   obj        `json:"annotations"`
	Templating    templating `json:"templating"`
	Panels        []*panel   `json:"panels"`
}

type templating struct {
	List []obj `json:"list"`
}

type gridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

type panel struct {
	ID              int      `json:"id"`
	Type            string   `json:"type"`
	Title           string   `json:"title"`
	Description     string   `json:"description,omitempty"`
	Datasource      obj      `json:"datasource,omitempty"`
	GridPos         gridPos  `json:"gridPos"`
	Collapsed       *bool    `json:"collapsed,omitempty"` // of rows
	Panels          []*panel `json:"panels,omitzero"`     // of rows: those of a collapsed one
	FieldConfig     *fields  `json:"fieldConfig,omitempty"`
	Options         obj      `json:"options,omitempty"`
	Targets         []target `json:"targets,omitempty"`
	Transformations []obj    `json:"transformations,omitempty"`
	Links           []obj    `json:"links,omitempty"`
}

type fields struct {
	Defaults  obj   `json:"defaults"`
	Overrides []obj `json:"overrides"`
}

// target is a query of Prometheus.
type target struct {
	RefID        string `json:"refId"`
	Datasource   obj    `json:"datasource"`
	EditorMode   string `json:"editorMode"`
	Expr         string `json:"expr"`
	Format       string `json:"format"`
	Instant      bool   `json:"instant"`
	Range        bool   `json:"range"`
	LegendFormat string `json:"legendFormat"`
}

// source is the data source that the reader chose.
func source() obj { return obj{"type": "prometheus", "uid": "${datasource}"} }

const tag = "controlcenter"

// newDashboard is one with everything that all have: links to the others, annotations, variables.
func newDashboard(uid, title, description string, variables []obj, rows ...row) *dashboard {
	return &dashboard{
		UID: uid, Title: title, Description: description, Tags: []string{tag}, Timezone: "browser", Editable: true, GraphTooltip: 1,
		Refresh: "30s", SchemaVersion: schemaVersion, Version: 1, Time: obj{"from": "now-3h", "to": "now"},
		Links: []obj{{
			"type": "dashboards", "title": "Control Center", "tags": []string{tag}, "asDropdown": true, "includeVars": true, "keepTime": true,
			"icon": "external link", "targetBlank": false, "tooltip": "The other dashboards of Control Center", "url": "",
		}},
		Annotations: obj{"list": []obj{
			{"builtIn": 1, "datasource": obj{"type": "grafana", "uid": "-- Grafana --"}, "enable": true, "hide": true, "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard"},
			annotation("Crashes", "red", `controlcenter_service_last_exit_timestamp_seconds{$sel, reason=~"failure|unhealthy|timeout"} * 1000`, "{{service}} ended: {{reason}}"),
			annotation("Starts and restarts", "blue", `controlcenter_service_start_time_seconds{$sel} * 1000`, "{{service}} started"),
		}},
		Templating: templating{variables}, Panels: place(rows),
	}
}

// annotation marks moments: the value of the query is the time.
func annotation(name, color, expr, title string) obj {
	return obj{
		"name": name, "enable": true, "hide": false, "iconColor": color, "datasource": source(), "expr": fill(expr), "step": "60s",
		"titleFormat": title, "textFormat": "{{instance}}", "tagKeys": "service", "useValueForTime": true,
	}
}
