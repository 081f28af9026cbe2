/** `compare A B …`: what differs between runs and what they reached; `compare SWEEP`: its trials as a table. */
import type { MetricName } from '../../config/experiment.js';
import { comparisonOf } from '../../review/comparison/compare.js';
import type { Comparison } from '../../review/comparison/document.js';
import { readGroups } from '../../review/comparison/read.js';
import { describeSide, sentencesOf } from '../../review/comparison/sentences.js';
import { kindOf } from '../../review/reading/find.js';
import { formatTable, type TableFormat } from '../../sweep/results/index.js';
import { EXIT, type ExitCode, usageError } from '../../util/errors.js';
import { compareTrials, widthOf } from '../sweep/status.js';
import { formatWarnings } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';
import { comparedCurves } from './compare-curves.js';
import { differencesTable, metricsRecords, metricsTable, performanceTable } from './compare-tables.js';

export interface CompareFlags {
  readonly format: TableFormat;
  /** Of what does not differ as well. */
  readonly all: boolean;
  /** Empty: all that were measured. */
  readonly metrics: readonly MetricName[];
  /** Curves to draw: by name, or the usual ones, or none. */
  readonly curves: readonly string[] | boolean;
  /** Flags of a sweep's table. */
  readonly sort: string | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly top: number | undefined;
}

/** More than these make no table that anyone reads. */
const MAX_SIDES = 26;

/** Throws UserError: exit 2 where an argument is no run or there is nothing to compare, exit 5 where damage is why. */
export function compare(paths: readonly string[], flags: CompareFlags, io: Io): ExitCode {
  const [path] = paths;
  if (paths.length === 1 && kindOf(path) === 'sweep') {
    refuse(
      flags,
      ['metrics', 'curves'],
      'tells of the trials of one sweep; name two runs, or more, for this',
    );
    return compareTrials(path, flags, io);
  }
  refuse(flags, ['sort', 'min', 'max', 'top'], 'is for the trials of one sweep');
  const { groups, leftOut, warnings, error } = readGroups(paths);
  const { comparison, sides } = comparisonOf(groups, { metrics: flags.metrics, all: flags.all, leftOut });
  if (sides.length < 2) throw error ?? nothingToCompare(paths);
  if (sides.length > MAX_SIDES) throw tooMany(paths, sides.length);
  if (warnings.length > 0) io.err(formatWarnings(warnings, io.color.err));
  io.out(formatted(comparison, flags.format, io));
  if (flags.format === 'text') io.out(comparedCurves(sides, flags.curves, { ...sized(io), io }));
  return EXIT.done;
}

function formatted(comparison: Comparison, format: TableFormat, io: Io): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(comparison, undefined, 2)}\n`;
    case 'csv':
      return formatTable(metricsRecords(comparison), 'csv');
    case 'markdown':
      return asMarkdown(comparison);
    case 'text':
      return asText(comparison, widthOf(io));
    default:
      return format satisfies never;
  }
}

function asText(comparison: Comparison, width: number): string {
  const names = comparison.sides.map(side => [side.id, side.name, describeSide(side)]);
  const pad = [0, 1].map(i => Math.max(...names.map(row => row[i].length)));
  const head = names.map(([id, name, what]) => `${id.padEnd(pad[0])}  ${name.padEnd(pad[1])}  ${what}\n`);
  const differences = differencesTable(comparison);
  const table =
    differences.rows.length === 0
      ? 'Nothing differs in their configs, data, versions and machines.\n'
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
  return sentencesOf(comparison).map(line => `${mark}${line}`);
}

/** With an empty line between. */
function joined(parts: readonly string[]): string {
  return parts.filter(part => part !== '').join('\n');
}

function sized(io: Io): { readonly width: number } {
  return { width: Math.min(widthOf(io), 120) };
}

type Refusable = 'metrics' | 'curves' | 'sort' | 'min' | 'max' | 'top';

function refuse(flags: CompareFlags, names: readonly Refusable[], why: string): void {
  const isGiven = (name: Refusable): boolean => {
    const value = flags[name];
    return Array.isArray(value) ? value.length > 0 : value !== undefined && typeof value !== 'boolean';
  };
  const given = names.filter(isGiven).map(name => (name === 'metrics' ? '--metric' : `--${name}`));
  if (given.length === 0) return;
  const isSweep = names.includes('metrics');
  throw usageError(
    ...given.map(flag => ({
      code: 'compare/flag',
      message: isSweep ? `compare ${why}` : `this ${why}`,
      file: flag,
    })),
  );
}

function nothingToCompare([path]: readonly string[]): Error {
  return usageError({
    code: 'compare/one-side',
    message: 'there is nothing to compare this with: all its runs have the same config',
    file: path,
    expected: 'two or more runs, experiments or sweeps, or one with several configs',
  });
}

function tooMany(paths: readonly string[], count: number): Error {
  return usageError({
    code: 'compare/too-many',
    message: `these are runs of ${count} configs`,
    file: paths.join(' '),
    expected: `${MAX_SIDES} configs at most; \`compare SWEEP\` lists all trials of a sweep`,
  });
}
