/** Runs test files as processes, and merges their output to one TAP document (testanything.org). */
import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { packageRoot } from '../../src/util/root.js';

/** Time limit of a test, unless its file sets another. The test then fails. */
const TIMEOUT_S = 600;

export interface FileResult {
  readonly file: string;
  readonly isOk: boolean;
  readonly end: string;
  readonly seconds: number;
  readonly output: string;
}

/**
 * Runs `file`, relative to the package's root, in Node. Passes on its stderr.
 * @param cache where Node 22 and later keep compiled code between files
 */
export function runFile(
  file: string,
  signal: AbortSignal,
  env: Readonly<Record<string, string>> = {},
  timeoutS = TIMEOUT_S,
): Promise<FileResult> {
  // biome-ignore lint/plugin: how long each file took is shown, not judged
  const now = () => performance.now();
  const start = now();
  const child = spawn(process.execPath, [...process.execArgv, file], {
    cwd: packageRoot,
    env: { ...process.env, TAP_TIMEOUT: String(timeoutS), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
    timeout: (timeoutS + 60) * 1000,
    killSignal: 'SIGKILL',
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', chunk => {
    output += chunk;
  });
  return new Promise(resolve => {
    // an aborted process also closes
    child.on('error', () => {});
    child.on('close', (code, killedBy) => {
      const isOk = code === 0 && countsOf(output).total > 0;
      const end = code === 0 ? 'no test ran' : (killedBy ?? `exit code ${code}`);
      resolve({ file, isOk, end, seconds: (now() - start) / 1000, output });
    });
  });
}

export function everything(result: FileResult, number: number): string {
  return `# Subtest: ${result.file}\n${indented(result.output)}${resultLine(result, number)}`;
}

export function failuresOnly(result: FileResult, number: number): string {
  return `${result.isOk ? '' : indented(failedLines(result.output))}${resultLine(result, number)}`;
}

/**
 * Failed assertions with their diagnosis (YAML between `---` and `...`), and lines that are not
 * TAP. Leaves out plans and tests that passed.
 */
function failedLines(tap: string): string {
  let isPassed = false;
  let diagnosis: string | undefined;
  const kept = tap.split('\n').filter(line => {
    const [, indent, text] = /^( *)(.*)$/.exec(line) as RegExpExecArray;
    if (diagnosis !== undefined) {
      if (text === '...' && indent === diagnosis) diagnosis = undefined;
      return !isPassed;
    }
    if (text === '---') {
      diagnosis = indent;
      return !isPassed;
    }
    if (/^(not )?ok\b/.test(text)) {
      isPassed = text.startsWith('ok');
      return !isPassed;
    }
    return !(text === '' || /^(TAP version|\d+\.\.\d+|# (Subtest:|\{|time=))/.test(text));
  });
  return kept.map(line => `${line}\n`).join('');
}

export interface Counts {
  readonly total: number;
  readonly pass: number;
  readonly fail: number;
  readonly todo: number;
  readonly skip: number;
}

const NONE: Counts = { total: 0, pass: 0, fail: 0, todo: 0, skip: 0 };

/** Counts of assertions of a file, from the totals that tap prints at the end. */
export function countsOf(tap: string): Counts {
  const line = tap.match(/^# \{ total: .*\}$/gm)?.at(-1) ?? '';
  const found = [...line.matchAll(/(\w+): (\d+)/g)].map(([, name, count]) => [name, Number(count)]);
  return { ...NONE, ...Object.fromEntries(found) };
}

/** Counts of all files. A file that failed without a failed assertion counts as one. */
export function totals(results: readonly FileResult[]): string {
  const sum = results
    .map(({ output, isOk }) => {
      const counts = countsOf(output);
      const isSilent = !isOk && counts.fail === 0;
      return isSilent ? { ...counts, total: counts.total + 1, fail: 1 } : counts;
    })
    .reduce(
      (a, b) =>
        Object.fromEntries(Object.entries(a).map(([key, n]) => [key, n + b[key as keyof Counts]])) as never,
      NONE,
    );
  return `# { ${Object.entries(sum)
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ')} }\n`;
}

function resultLine({ file, isOk, end, seconds }: FileResult, number: number): string {
  const time = `time=${(seconds * 1000).toFixed(0)}ms`;
  return isOk ? `ok ${number} - ${file} # ${time}\n` : `not ok ${number} - ${file}: ${end} # ${time}\n`;
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '    ').replace(/(?<=[^\n])$/, '\n');
}

/**
 * @param files all tests as paths below `test/` without extensions, such as `config/config-verbs`
 * @param wanted names, paths of sources or of compiled files, or folders; empty selects all tests
 */
export function selectTests(
  files: readonly string[],
  wanted: readonly string[],
): { readonly selected: readonly string[]; readonly unknown: readonly string[] } {
  if (wanted.length === 0) return { selected: files, unknown: [] };
  const found = wanted.map(word => {
    const folder = /^(?:dist\/)?test\/(.+?)\/?$/.exec(word)?.[1];
    if (folder && files.some(file => file.startsWith(`${folder}/`)))
      return files.filter(file => file.startsWith(`${folder}/`));
    const name = basename(word).replace(/\.test\.[jt]s$/, '');
    const exact = files.filter(file => basename(file) === name);
    return exact.length > 0 ? exact : files.filter(file => basename(file).startsWith(`${name}-`));
  });
  return {
    selected: files.filter(file => found.some(some => some.includes(file))),
    unknown: wanted.filter((_, i) => found[i].length === 0),
  };
}
