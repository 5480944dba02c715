package main

import "fmt"

// query is one question to Prometheus and the name of its curves.
type query struct{ expr, legend string }

func ask(expr, legend string) query { return query{expr, legend} }

func targets(instant, table bool, qs []query) []target {
	out := make([]target, len(qs))
	for i, q := range qs {
		format := "time_series"
		if table {
			format = "table"
		}
		legend := q.legend
		if legend == "" {
			legend = "__auto"
		}
		out[i] = target{
			RefID: string(rune('A' + i)), Datasource: source(), EditorMode: "code", Expr: fill(q.expr), Format: format,
			Instant: instant, Range: !instant, LegendFormat: legend,
		}
	}
	return out
}

// steps are thresholds: a colour from each value on; the first counts from below.
func steps(first string, more ...any) obj {
	list := []obj{{"color": first, "value": nil}}
	for i := 0; i+1 < len(more); i += 2 {
		list = append(list, obj{"color": more[i+1], "value": more[i]})
	}
	return obj{"mode": "absolute", "steps": list}
}

var (
	always  = steps("text")
	percent = steps("green", 0.8, "orange", 0.95, "red")
	zeroBad = steps("red", 1, "green")
	anyBad  = steps("green", 1, "red")
)

func base(kind, title, description, unit string, qs []target) *panel {
	return &panel{
		Type: kind, Title: title, Description: description, Datasource: source(), Targets: qs,
		FieldConfig: &fields{
			Defaults:  obj{"unit": unit, "color": obj{"mode": "palette-classic"}, "mappings": []obj{}, "thresholds": always, "custom": obj{}},
			Overrides: []obj{},
		},
	}
}

// stat shows the present value in large, with its curve behind it.
func stat(title, description, unit string, thresholds obj, qs ...query) *panel {
	p := base("stat", title, description, unit, targets(false, false, qs))
	d := p.FieldConfig.Defaults
	d["color"], d["thresholds"], d["noValue"] = obj{"mode": "thresholds"}, thresholds, "–"
	delete(d, "custom")
	p.Options = obj{
		"reduceOptions": obj{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		"orientation":   "auto", "textMode": "auto", "wideLayout": true, "colorMode": "value", "graphMode": "area", "justifyMode": "auto",
		"showPercentChange": false, "percentChangeColorMode": "standard",
	}
	return p
}

// graph shows curves over time.
func graph(title, description, unit string, qs ...query) *panel {
	p := base("timeseries", title, description, unit, targets(false, false, qs))
	p.FieldConfig.Defaults["custom"] = obj{
		"drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 10, "gradientMode": "none", "showPoints": "auto",
		"pointSize": 4, "spanNulls": false, "insertNulls": false, "barAlignment": 0, "stacking": obj{"group": "A", "mode": "none"},
		"axisPlacement": "auto", "axisLabel": "", "axisColorMode": "text", "axisBorderShow": false, "axisCenteredZero": false,
		"scaleDistribution": obj{"type": "linear"}, "hideFrom": obj{"legend": false, "tooltip": false, "viz": false},
		"thresholdsStyle": obj{"mode": "off"},
	}
	p.FieldConfig.Defaults["min"] = 0
	p.Options = obj{
		"legend":  obj{"calcs": []string{"mean", "max"}, "displayMode": "table", "placement": "bottom", "showLegend": true},
		"tooltip": obj{"mode": "multi", "sort": "desc"},
	}
	return p
}

// stacked lays the curves of a graph one upon the other.
func (p *panel) stacked() *panel {
	c, _ := p.FieldConfig.Defaults["custom"].(obj)
	c["stacking"], c["fillOpacity"], c["lineWidth"] = obj{"group": "A", "mode": "normal"}, 40, 0
	return p
}

// upTo fixes the upper end of the axis.
func (p *panel) upTo(v float64) *panel {
	p.FieldConfig.Defaults["max"] = v
	return p
}

// signed lets the axis go below zero.
func (p *panel) signed() *panel {
	delete(p.FieldConfig.Defaults, "min")
	return p
}

// bars shows present values as bars with their names.
func bars(title, description, unit string, thresholds obj, qs ...query) *panel {
	p := base("bargauge", title, description, unit, targets(true, false, qs))
	d := p.FieldConfig.Defaults
	d["color"], d["thresholds"], d["min"], d["noValue"] = obj{"mode": "thresholds"}, thresholds, 0, "–"
	delete(d, "custom")
	p.Options = obj{
		"reduceOptions": obj{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		"orientation":   "horizontal", "displayMode": "basic", "valueMode": "color", "namePlacement": "auto", "showUnfilled": true,
		"sizing": "auto", "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300,
		"legend": obj{"calcs": []string{}, "displayMode": "list", "placement": "bottom", "showLegend": false},
	}
	return p
}

// meaning is one value of a state and how it is shown.
type meaning struct {
	value       int
	text, color string
}

func mappings(all []meaning) []obj {
	options := obj{}
	for i, m := range all {
		options[fmt.Sprint(m.value)] = obj{"text": m.text, "color": m.color, "index": i}
	}
	return []obj{{"type": "value", "options": options}}
}

// timeline shows the states of several things over time.
func timeline(title, description string, states []meaning, qs ...query) *panel {
	p := base("state-timeline", title, description, "none", targets(false, false, qs))
	d := p.FieldConfig.Defaults
	d["mappings"], d["color"], d["noValue"] = mappings(states), obj{"mode": "thresholds"}, "–"
	d["custom"] = obj{"fillOpacity": 80, "lineWidth": 0, "axisPlacement": "auto", "hideFrom": obj{"legend": false, "tooltip": false, "viz": false}}
	p.Options = obj{
		"mergeValues": true, "showValue": "auto", "alignValue": "left", "rowHeight": 0.85, "perPage": 30,
		"legend":  obj{"calcs": []string{}, "displayMode": "list", "placement": "bottom", "showLegend": true},
		"tooltip": obj{"mode": "single", "sort": "none"},
	}
	return p
}

// column is one column of a table: the field as the queries name it, its heading, its unit.
type column struct{ field, heading, unit string }

// table joins the answers of several queries by their labels; only the given columns are shown, in this order. The values of
// query A are the field "Value #A"; of a single query "Value".
func table(title, description string, columns []column, qs ...query) *panel {
	p := base("table", title, description, "none", targets(true, true, qs))
	d := p.FieldConfig.Defaults
	d["custom"] = obj{"align": "auto", "cellOptions": obj{"type": "auto"}, "inspect": false, "filterable": true}
	order, rename, names := obj{}, obj{}, make([]string, len(columns))
	for i, c := range columns {
		order[c.field], rename[c.field], names[i] = i, c.heading, c.field
		if c.unit != "" {
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, obj{
				"matcher":    obj{"id": "byName", "options": c.heading},
				"properties": []obj{{"id": "unit", "value": c.unit}},
			})
		}
	}
	if len(qs) > 1 {
		p.Transformations = append(p.Transformations, obj{"id": "merge", "options": obj{}})
	}
	p.Transformations = append(p.Transformations,
		obj{"id": "filterFieldsByName", "options": obj{"include": obj{"names": names}}},
		obj{"id": "organize", "options": obj{"excludeByName": obj{}, "indexByName": order, "renameByName": rename}})
	p.Options = obj{"showHeader": true, "cellHeight": "sm", "frameIndex": 0, "enablePagination": false}
	return p
}

// colored maps the values of a column to texts and colours.
func (p *panel) colored(heading string, states []meaning) *panel {
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, obj{
		"matcher": obj{"id": "byName", "options": heading},
		"properties": []obj{
			{"id": "mappings", "value": mappings(states)},
			{"id": "custom.cellOptions", "value": obj{"type": "color-text"}},
		},
	})
	return p
}

// leads links the cells of a column to another dashboard.
func (p *panel) leads(heading, title, uid, variables string) *panel {
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, obj{
		"matcher": obj{"id": "byName", "options": heading},
		"properties": []obj{{"id": "links", "value": []obj{{
			"title": title, "url": "/d/" + uid + "?${__url_time_range}&${datasource:queryparam}&" + variables, "targetBlank": false,
		}}}},
	})
	return p
}

// text is a note.
func text(title, description, content string) *panel {
	return &panel{
		Type: "text", Title: title, Description: description,
		Options: obj{"mode": "markdown", "content": content, "code": obj{"language": "plaintext", "showLineNumbers": false, "showMiniMap": false}},
	}
}
