/**
 * A review as a JUnit report, which Jenkins and GitLab read: a test suite for each run (and for what is judged of several), a test case for each
 * verdict; failed is a failure, inconclusive an error, what was not looked at is skipped. Elements and attributes are those of the schema
 * that Jenkins' xunit plugin checks reports with (junit-10.xsd).
 */
import type { Review } from './review.js';
import { type VerdictGroup, type VerdictLine, verdictGroups } from './verdict-lines.js';

export function formatJunit(review: Review): string {
  const groups = verdictGroups(review);
  const all = groups.flatMap(({ lines }) => lines);
  const { tests, failures, errors } = counts(all);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="cellrun review" tests="${tests}" failures="${failures}" errors="${errors}">`,
    ...groups.flatMap(suite),
    '</testsuites>',
    '',
  ].join('\n');
}

function suite({ about, run, lines, moved }: VerdictGroup): string[] {
  const { tests, failures, errors, skipped } = counts(lines);
  const time = run?.duration_s == null ? '' : ` time="${run.duration_s.toFixed(3)}"`;
  const stamp = run?.started == null ? '' : ` timestamp="${xml(run.started.slice(0, 19))}"`;
  return [
    `  <testsuite name="${xml(about)}" tests="${tests}" failures="${failures}" errors="${errors}" skipped="${skipped}"${time}${stamp}>`,
    ...lines.flatMap(line => testcase(about, line)),
    ...(moved.length === 0 ? [] : [`    <system-out>${xml(moved.join('\n'))}</system-out>`]),
    '  </testsuite>',
  ];
}

function testcase(about: string, line: VerdictLine): string[] {
  const head = `    <testcase name="${xml(line.name)}" classname="${xml(about)}"`;
  const element = elementOf(line);
  if (element === undefined) return [`${head}/>`];
  const message = `message="${xml(line.sentence)}"`;
  const inner =
    element === 'skipped'
      ? `<skipped ${message}/>`
      : `<${element} ${message} type="${line.verdict}">${xml(line.sentence)}</${element}>`;
  return [`${head}>`, `      ${inner}`, '    </testcase>'];
}

function elementOf({ verdict, skipped }: VerdictLine): 'failure' | 'error' | 'skipped' | undefined {
  if (skipped) return 'skipped';
  if (verdict === 'passed') return undefined;
  return verdict === 'failed' ? 'failure' : 'error';
}

function counts(lines: readonly VerdictLine[]) {
  const elements = lines.map(elementOf);
  const count = (wanted: string) => elements.filter(element => element === wanted).length;
  return {
    tests: lines.length,
    failures: count('failure'),
    errors: count('error'),
    skipped: count('skipped'),
  };
}

/** XML 1.0 has no control characters, not even as references, and no lone surrogates. */
function xml(text: string): string {
  return text
    .replaceAll(/(?![\t\n\r])\p{Cc}|\p{Cs}|[\ufffe\uffff]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\n', '&#10;')
    .replaceAll('\r', '&#13;')
    .replaceAll('\t', '&#9;');
}
