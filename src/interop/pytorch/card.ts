/** The model card of an exported folder: Markdown in the form of Hugging Face's Hub. */
import { basename, resolve } from 'node:path';
import { dataWidth } from '../../data/index.js';
import { predictsEachStep } from '../../math/model/heads.js';
import { sweepFolder } from '../../run/find.js';
import { hardestTrivial } from '../../run/gates.js';
import { Run } from '../../run/run.js';
import type { Summary } from '../../run/summary.js';
import { cautionsOf } from '../../run/words.js';
import { finalMetrics, metricsTable, readSweepResults, repeatedRuns } from '../../sweep/results.js';
import { capital, formatMetric, grouped } from '../../util/numbers.js';
import { type Field, formatTable, plainMarkdown, tableOf } from '../../util/table.js';
import { counted, listed } from '../../util/words.js';
import type { Source, Verification } from '../predictor.js';
import { verificationText } from '../verify.js';

/** @param curve the name of the picture of the learning curve */
export function modelCard(source: Source, verified: Verification | string, curve: string): string {
  const { saved, model, spec } = source;
  const { name, description } = model.experiment;
  const { summary } = Run.open(saved.path);
  const reads = source.facts.feature_settings ? 'reads features' : 'prepares the data as in training';
  const cells = [...new Set(spec.layers.map(({ settings }) => settings.cell))];
  const parameters = [...source.weights.values()].reduce((sum, { data }) => sum + data.length, 0);
  const sections = [
    frontMatter({ license: 'unknown', library_name: 'pytorch', tags: ['cellrun', ...cells] }),
    `# ${plainMarkdown(name)}`,
    description && plainMarkdown(description),
    `${taskText(source)} Recurrent layers: ${cells.join(', ')}; ${grouped(parameters)} parameters.`,
    `![Learning curve](${curve})`,
    '## Use',
    `\`modeling.py\` ${reads}. It needs PyTorch alone.`,
    `\`\`\`python\nimport modeling\n\nmodel = modeling.load()\nprint(model.predict([${exampleOf(source)}]))\n\`\`\``,
    plainMarkdown(verificationText(verified)),
    '## Data',
    dataText(source),
    '## Results',
    ...resultsOf(saved.path, summary),
    '## Limits',
    limitsOf(source, summary)
      .map(text => `- ${text}`)
      .join('\n'),
    '## Licence',
    'Not stated. Set `license` at the top of this file. The licence of the data matters too.',
  ];
  return `${sections.filter(text => text).join('\n\n')}\n`;
}

/** YAML: each value is written as JSON, which is valid YAML. */
function frontMatter(values: Readonly<Record<string, unknown>>): string {
  const lines = Object.entries(values).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  return ['---', ...lines, '---'].join('\n');
}

function taskText({ task, spec, data }: Source): string {
  const what = {
    classes: 'The class',
    labels: 'The probability of each label',
    values: 'The value of each target',
    sequences: 'The symbols that belong to',
  }[task];
  const of = predictsEachStep(spec.head) && task !== 'sequences' ? 'of each step of' : 'of';
  const names = data.class_names ?? data.target_names;
  const listing = names ? `: ${plainMarkdown(listed(names))}` : '';
  return `${what}${task === 'sequences' ? '' : ` ${of}`} a sequence${listing}.`;
}

/** A sequence in Python, of the columns or symbols of the data. */
function exampleOf({ facts, data }: Source): string {
  const { columns, static_columns: statics = [], categories = [], vocabulary, level } = facts;
  if (data.input.kind === 'symbol') {
    const symbols = vocabulary?.slice(1, 4) ?? [0, 1];
    return JSON.stringify(level ? symbols.join(level === 'word' ? ' ' : '') : symbols);
  }
  const cells = [...(columns ?? []), ...statics].map((name, i) => [name, categories[i]?.[0] ?? 0]);
  return columns
    ? `[${JSON.stringify(Object.fromEntries(cells))}]${facts.feature_settings ? ` * ${data.sequence_length}` : ''}`
    : `[[${Array(dataWidth(data)).fill(0).join(', ')}]]`;
}

function dataText({ saved: { manifest }, facts, data }: Source): string {
  const { columns = [], static_columns: statics = [] } = facts;
  const files = manifest?.datasets ?? [];
  const table = tableOf(
    [
      { name: 'data', of: ({ name }) => basename(name) },
      { name: 'split', of: ({ split }) => split },
      { name: 'SHA-256', of: ({ sha256 }) => sha256 },
    ] satisfies Field<(typeof files)[number]>[],
    files,
  );
  const sentences = [
    ...(facts.feature_settings
      ? ['The inputs are features, as `feature_settings` in `config.json` says; they are computed elsewhere.']
      : []),
    ...(columns.length > 0 ? [`Columns: ${plainMarkdown(listed([...columns, ...statics], 30))}.`] : []),
    ...(data.vocabulary ? [`${counted(data.vocabulary.symbols.length, 'symbol')}.`] : []),
    `The longest sequence has ${counted(data.sequence_length, 'step')}.`,
    'All preparation was fitted on the training split.',
  ];
  return `${sentences.join(' ')}\n\n${formatTable(table, 'markdown').trimEnd()}`;
}

/** The metrics of the run, and those over the seeds that repeat it. */
function resultsOf(path: string, summary: Summary | undefined): string[] {
  if (!summary) return ['The run has no results.'];
  const { metrics, baselines, seed } = summary;
  const { test, validation } = metrics;
  const trivial = (name: string) => hardestTrivial(`test.${name}`, baselines);
  const table = tableOf<string>(
    [
      { name: 'metric', of: name => name },
      { name: 'test split', of: name => formatMetric(name, test[name]) },
      ...(validation
        ? [{ name: 'validation split', of: (name: string) => formatMetric(name, validation[name]) }]
        : []),
      {
        name: 'trivial baseline, test split',
        of: name => {
          const found = trivial(name);
          return found ? `${formatMetric(name, found.value)} (${found.name})` : null;
        },
      },
    ],
    Object.keys(test),
  );
  return [
    `Of run \`${summary.run_id}\`, seed ${seed}:`,
    formatTable(table, 'markdown').trimEnd(),
    ...repeatsOf(resolve(path)),
  ];
}

function repeatsOf(run: string): string[] {
  const sweep = sweepFolder(run);
  if (sweep === undefined) return [];
  const results = readSweepResults(sweep);
  if (!repeatedRuns(results).includes(run)) return [];
  const measured = finalMetrics(results);
  if (measured.length === 0) return [];
  return ['Over all seeds:', formatTable(metricsTable(measured), 'markdown').trimEnd()];
}

function limitsOf({ data, facts }: Source, summary: Summary | undefined): string[] {
  return [
    'The results are those of data like these. Measure others with `cellrun evaluate RUN --input FILE`.',
    ...(summary ? cautionsOf(summary) : []).map(caution => `${capital(caution)}.`),
    ...(summary?.constant_outputs ? ['It makes the same prediction for every test input.'] : []),
    ...(facts.categories?.some(one => one)
      ? ['A category that is not in the training split is unknown.']
      : []),
    ...(data.vocabulary && !data.vocabulary.has_unknown
      ? ['It has not learned to read symbols that are not in its vocabulary.']
      : []),
  ];
}
