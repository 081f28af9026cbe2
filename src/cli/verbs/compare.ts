/** `compare PATH…`: compares runs and their results, or lists the trials of a sweep. */
import { METRICS } from '../../config/rules/metrics.js';
import { comparisonOf } from '../../judge/comparison/compare.js';
import type { Comparison } from '../../judge/comparison/document.js';
import { readGroups } from '../../judge/comparison/read.js';
import { describeSide, sentencesOf } from '../../judge/comparison/sentences.js';
import { kindOf } from '../../run/find.js';
import { formatTable, type TableFormat } from '../../sweep/index.js';
import { EXIT, usageError } from '../../util/errors.js';
import { printable } from '../../util/words.js';
import { jsonFormat } from '../command/options.js';
import { choice, count, defineVerb, flag, list, number, text, type Values } from '../command/verb.js';
import { formatWarnings } from '../terminal/diagnostics.js';
import { comparedCurves } from './compare-curves.js';
import { differencesTable, metricsRecords, metricsTable, performanceTable } from './compare-tables.js';
import { compareTrials, widthOf } from './compare-trials.js';

const options = {
  metric: list('<name>', 'compare only this metric (default: all)', { choices: METRICS }),
  onlyChanged: flag('list only settings that differ (default)').conflicts('all'),
  all: flag('list equal settings too'),
  curves: list('<name>', 'draw this curve, such as grad_norm'),
  noCurves: flag('draw no learning curves'),
  sort: text(
    '<column>',
    'sort trials by this column, in descending order with a hyphen before it (default: best first)',
  ),
  min: number('<value>', 'list only trials with an objective of at least this value'),
  max: number('<value>', 'list only trials with an objective of at most this value'),
  top: count('<n>', 'list only the first n trials'),
  format: choice('<format>', ['text', 'csv', 'json', 'markdown'], 'output format').default('text'),
  json: jsonFormat,
};

type CompareOptions = Values<typeof options>;

/** Tables with more sides are not readable. */
const MAX_SIDES = 26;

export const verb = defineVerb({
  arguments: '<path...>',
  options,
  help: `
Each path is a run, an experiment directory or a sweep. Runs that differ only in their seed are
replicates and form one side; runs of other configs form sides of their own. Every side is compared
with the first, seed by seed.

A single sweep is listed trial by trial, best first. Trials that were trained for more epochs come
before those with fewer: values after different numbers of epochs are not comparable.`,
  action([paths], options, { io }) {
    const format = options.json ? 'json' : options.format;
    const [path] = paths;
    if (paths.length === 1 && kindOf(path) === 'sweep') {
      refuse(options, ['metric', 'curves'], 'cannot be used with a single sweep; name two or more runs');
      compareTrials(path, { ...options, format }, io);
      return EXIT.done;
    }
    refuse(options, ['sort', 'min', 'max', 'top'], 'can only be used with a single sweep');
    const { groups, leftOut, warnings, error } = readGroups(paths);
    const { comparison, sides } = comparisonOf(groups, {
      metrics: [...new Set(options.metric)],
      all: options.all,
      leftOut,
    });
    if (sides.length < 2) throw error ?? nothingToCompare(paths, sides[0]?.runs.length ?? 0);
    if (sides.length > MAX_SIDES) throw tooMany(paths, sides.length);
    if (warnings.length > 0) io.err(formatWarnings(warnings, io.color.err));
    if (format !== 'text') io.data(formatted(comparison, format));
    else {
      io.out(asText(comparison, widthOf(io)));
      if (!options.noCurves)
        io.out(comparedCurves(sides, options.curves, { width: Math.min(widthOf(io), 120), io }));
    }
    return EXIT.done;
  },
});

function formatted(comparison: Comparison, format: Exclude<TableFormat, 'text'>): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(comparison, undefined, 2)}\n`;
    case 'csv':
      return formatTable(metricsRecords(comparison), 'csv');
    case 'markdown':
      return asMarkdown(comparison);
    default:
      return format satisfies never;
  }
}

function asText(comparison: Comparison, width: number): string {
  const names = comparison.sides.map(side => [side.id, printable(side.name), describeSide(side)]);
  const pad = [0, 1].map(i => Math.max(...names.map(row => row[i].length)));
  const head = names.map(([id, name, what]) => `${id.padEnd(pad[0])}  ${name.padEnd(pad[1])}  ${what}\n`);
  const differences = differencesTable(comparison);
  const table =
    differences.rows.length === 0
      ? 'Configs, data, versions and machines are equal.\n'
      : formatTable(differences, 'text', width);
  return joined([
    head.join(''),
    table,
    comparison.metrics.length === 0 ? '' : formatTable(metricsTable(comparison), 'text', width),
    sentences(comparison, '')
      .map(line => `${line}\n`)
      .join(''),
    formatTable(performanceTable(comparison), 'text', width),
  ]);
}

function asMarkdown(comparison: Comparison): string {
  const sides = {
    columns: ['side', 'name', 'runs'].map(name => ({ name })),
    rows: comparison.sides.map(side => [side.id, side.name, describeSide(side)]),
  };
  const differences = differencesTable(comparison);
  return joined([
    formatTable(sides, 'markdown'),
    `### What differs\n\n${differences.rows.length === 0 ? 'Nothing.\n' : formatTable(differences, 'markdown')}`,
    `### Metrics\n\n${formatTable(metricsTable(comparison), 'markdown')}`,
    sentences(comparison, '- ')
      .map(line => `${line}\n`)
      .join(''),
    `### Performance\n\n${formatTable(performanceTable(comparison), 'markdown')}`,
  ]);
}

function sentences(comparison: Comparison, mark: string): string[] {
  return sentencesOf(comparison).map(line => `${mark}${printable(line)}`);
}

/** Joins the parts with empty lines. */
function joined(parts: readonly string[]): string {
  return parts.filter(part => part !== '').join('\n');
}

type Refusable = 'metric' | 'curves' | 'sort' | 'min' | 'max' | 'top';

/** @throws UserError (exit 2) if one of the options `names` is given */
function refuse(options: CompareOptions, names: readonly Refusable[], why: string): void {
  const isGiven = (value: unknown) => (Array.isArray(value) ? value.length > 0 : value !== undefined);
  const given = names.filter(name => isGiven(options[name]));
  if (given.length > 0)
    throw usageError(...given.map(name => ({ code: 'compare/flag', message: why, file: `--${name}` })));
}

function nothingToCompare([path]: readonly string[], runs: number): Error {
  return usageError({
    code: 'compare/one-side',
    message:
      runs === 1
        ? 'nothing to compare: this is a single run'
        : 'nothing to compare: all its runs have the same config',
    file: path,
    expected: 'two or more runs, experiments or sweeps, or one with several configs',
  });
}

function tooMany(paths: readonly string[], count: number): Error {
  return usageError({
    code: 'compare/too-many',
    message: `too many configs to compare: ${count}`,
    file: paths.join(' '),
    expected: `at most ${MAX_SIDES}; \`compare SWEEP\` lists all trials of a sweep`,
  });
}
