// Type-checks every dashboard of ../dashboards against the types of @grafana/schema: each becomes a TypeScript file in which the
// whole dashboard, and each panel by its type, is a constant of Grafana's type. Unknown keys, missing ones and values that are
// not of an enumeration are errors. It ends with 1 when there is one, and also when a mistake made on purpose passes.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const here = dirname(fileURLToPath(import.meta.url));
const folder = join(here, '..', 'dashboards');
const panelTypes = {
  stat: ['stat', 'StatPanelCfg', 'Options', 'Record<string, never>'],
  timeseries: ['timeseries', 'TimeSeriesPanelCfg', 'Options', 'FieldConfig'],
  table: ['table', 'TablePanelCfg', 'Options', 'FieldConfig'],
  'state-timeline': ['statetimeline', 'StateTimelinePanelCfg', 'Options', 'FieldConfig'],
  bargauge: ['bargauge', 'BarGaugePanelCfg', 'Options', 'Record<string, never>'],
  text: ['text', 'TextPanelCfg', 'Options', 'Record<string, never>'],
};

let head = `import type * as g from '@grafana/schema';\n`;
for (const [dir, name] of Object.values(panelTypes)) {
  head += `import type * as ${name} from '@grafana/schema/dist/esm/raw/composable/${dir}/panelcfg/x/${name}_types.gen';\n`;
}
head += `
// JSON holds the values of enumerations, not their names.
type Plain<T> = unknown extends T ? T
  : T extends string ? \`\${T}\`
  : T extends boolean | null | undefined ? T
  : T extends number ? (number extends T ? number : \`\${T}\` extends \`\${infer N extends number}\` ? N : T)
  : T extends Array<infer U> ? Array<Plain<U>>
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Known<T> = { [K in keyof T as string extends K ? never : K]: T[K] };
// What the plugin of Prometheus adds to an annotation, to a variable's query and to a target; Grafana's types leave it open.
type Annotation = g.AnnotationQuery & { expr?: string; step?: string; titleFormat?: string; textFormat?: string; tagKeys?: string; useValueForTime?: boolean };
type Target = { refId: string; datasource: g.DataSourceRef; editorMode: 'code'; expr: string; format: 'time_series' | 'table'; instant: boolean; range: boolean; legendFormat: string };
type Whole = Omit<g.Dashboard, 'panels' | 'annotations'> & { annotations: { list: Annotation[] } };
type Of<O, F> = Omit<g.Panel, 'options' | 'fieldConfig' | 'targets'> & { options: O; targets?: Target[];
  fieldConfig?: Omit<g.FieldConfigSource, 'defaults'> & { defaults: Omit<g.FieldConfig, 'custom'> & { custom?: Known<F> } } };
`;

function source(dashboard) {
  const { panels, ...rest } = dashboard;
  let out = head + `export const whole: Plain<Whole> = ${JSON.stringify(rest)};\n`;
  for (const p of panels) {
    if (p.type === 'row') {
      out += `export const p${p.id}: Plain<g.RowPanel> = ${JSON.stringify(p)};\n`;
      continue;
    }
    const type = panelTypes[p.type];
    if (!type) throw new Error(`${dashboard.uid}: no types for panels of type ${p.type}`);
    const [, name, options, custom] = type;
    out += `export const p${p.id}: Plain<Of<${name}.${options}, ${custom.startsWith('Record') ? custom : `${name}.${custom}`}>> = ${JSON.stringify(p)};\n`;
  }
  return out;
}

// errors type-checks sources by name and returns what the compiler says, by name.
function errors(sources) {
  const dir = mkdtempSync(join(here, '.check-'));
  try {
    const names = Object.keys(sources).map((n) => join(dir, `${n}.ts`));
    for (const [n, text] of Object.entries(sources)) writeFileSync(join(dir, `${n}.ts`), text);
    const program = ts.createProgram(names, { strict: true, noEmit: true, skipLibCheck: true, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ES2022, types: [] });
    const found = {};
    for (const d of ts.getPreEmitDiagnostics(program)) {
      const name = d.file ? d.file.fileName.slice(dir.length + 1).replace(/\.ts$/, '') : 'compiler';
      const place = d.file ? d.file.text.slice(0, d.start).split('\n').length : 0;
      const line = d.file ? d.file.text.split('\n')[place - 1].slice(0, 60) : '';
      (found[name] ??= []).push(`${line}: ${ts.flattenDiagnosticMessageText(d.messageText, ' ').slice(0, 600)}`);
    }
    return found;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const sources = {};
const files = readdirSync(folder).filter((f) => f.endsWith('.json'));
for (const f of files) sources[f.replace(/\.json$/, '')] = source(JSON.parse(readFileSync(join(folder, f), 'utf8')));

// Mistakes that must be found, so that a check that checks nothing does not pass.
const panelOf = (d, type) => d.panels.find((p) => p.type === type);
const mistakes = {
  unknownKey: (d) => { d.titel = 'x'; },
  wrongVariable: (d) => { d.templating.list[0].type = 'datasuorce'; },
  wrongTooltip: (d) => { panelOf(d, 'timeseries').options.tooltip.mode = 'many'; },
  unknownOption: (d) => { panelOf(d, 'stat').options.colour = 'value'; },
  wrongStyle: (d) => { panelOf(d, 'timeseries').fieldConfig.defaults.custom.drawStyle = 'lines'; },
  missingOption: (d) => { delete panelOf(d, 'bargauge').options.displayMode; },
  wrongNumber: (d) => { panelOf(d, 'table').gridPos.w = '12'; },
  unknownTarget: (d) => { panelOf(d, 'table').targets[0].expression = 'up'; },
};
for (const [name, spoil] of Object.entries(mistakes)) {
  const d = JSON.parse(readFileSync(join(folder, 'controlcenter-overview.json'), 'utf8'));
  d.panels = [...new Map(d.panels.map((p) => [p.type, p])).values()]; // one of each type is enough
  spoil(d);
  sources[`mistake-${name}`] = source(d);
}

const found = errors(sources);
let bad = 0;
for (const name of Object.keys(mistakes)) {
  if (!found[`mistake-${name}`]) {
    bad++;
    console.error(`the mistake ${name} was not found: this check is broken`);
  }
}
for (const [name, list] of Object.entries(found)) {
  if (name.startsWith('mistake-')) continue;
  bad += list.length;
  for (const e of list) console.error(`${name}: ${e}`);
}
if (bad) process.exit(1);
const version = JSON.parse(readFileSync(join(here, 'node_modules', '@grafana', 'schema', 'package.json'), 'utf8')).version;
console.log(`${files.length} dashboards have the types of @grafana/schema ${version}; ${Object.keys(mistakes).length} mistakes made on purpose were found`);
