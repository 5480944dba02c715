package main

// columns is the width of Grafana's grid.
const columns = 24

// row is a heading and lines of panels below it.
type row struct {
	title string
	lines []line
}

// line is panels beside each other, all of one height. They share the width, what is left over goes to the last one.
type line struct {
	height int
	panels []*panel
}

func section(title string, lines ...line) row { return row{title, lines} }

func beside(height int, panels ...*panel) line { return line{height, panels} }

// wide gives a panel a width of its own; 0 is an equal share of what the others leave.
func (p *panel) wide(w int) *panel {
	p.GridPos.W = w
	return p
}

// place gives every panel its id and its place.
func place(rows []row) []*panel {
	var all []*panel
	y := 0
	add := func(p *panel, x, w, h int) {
		p.ID = len(all) + 1
		p.GridPos = gridPos{H: h, W: w, X: x, Y: y}
		all = append(all, p)
	}
	open := false
	for _, r := range rows {
		add(&panel{Type: "row", Title: r.title, Collapsed: &open, Panels: []*panel{}}, 0, columns, 1)
		y++
		for _, l := range r.lines {
			left, shares := columns, 0
			for _, p := range l.panels {
				if left -= p.GridPos.W; p.GridPos.W == 0 {
					shares++
				}
			}
			x := 0
			for i, p := range l.panels {
				w := p.GridPos.W
				if w == 0 {
					w = left / shares
				}
				if i == len(l.panels)-1 {
					w = columns - x
				}
				add(p, x, w, l.height)
				x += w
			}
			y += l.height
		}
	}
	return all
}
