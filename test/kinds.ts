/**
 * Finds the places that ask for a kind of target, a task or a kind of data outside the folders that
 * have them: each is a place that a new kind must visit. Part of `npm run check`, see `size.ts`.
 */
import { join, relative } from 'node:path';
import ts from 'typescript';
import { packageRoot } from '../src/util/root.js';

/** The types whose members are kinds: `Evaluation['kind']` is the type of a property. */
const KINDS = {
  'src/data/core/targets.ts': 'TargetKind',
  'src/math/metrics/metric.ts': 'Task',
  'src/tasks/facts.ts': "SplitEvaluation['kind']",
  'src/data/kinds.ts': "DatasetConfig['kind']",
};

/** Tasks, kinds of data, guesses about both, and the schema that lists them. */
const COLUMNS =
  /^src\/(tasks|init|config\/schema|data\/(arrays|audio|csv|forecast|jsonl|synthetic|text))\/|^src\/data\/core\/targets\.ts$/;

export interface KindPlace {
  /** `FILE:LINE`. */
  readonly place: string;
  readonly text: string;
}

export function placesAskingForKinds(): readonly KindPlace[] {
  const { fileNames, options } = ts.getParsedCommandLineOfConfigFile(
    join(packageRoot, 'tsconfig.json'),
    {},
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} },
  ) as ts.ParsedCommandLine;
  const files = fileNames.filter(file => /[\\/]src[\\/]/.test(file));
  const program = ts.createProgram(files, options);
  const checker = program.getTypeChecker();
  const members = (type: ts.Type): readonly string[] =>
    (type.isUnion() ? type.types : [type]).flatMap(part => (part.isStringLiteral() ? [part.value] : ['']));
  const kinds = Object.entries(KINDS).map(([file, name]) => {
    const [alias, property] = name.split(/\['|'\]/);
    const source = program.getSourceFile(join(packageRoot, file)) as ts.SourceFile;
    const module = checker.getSymbolAtLocation(source) as ts.Symbol;
    const symbol = checker.getExportsOfModule(module).find(each => each.name === alias) as ts.Symbol;
    const type = checker.getDeclaredTypeOfSymbol(symbol);
    const found = property === undefined ? undefined : type.getProperty(property);
    return new Set(members(found === undefined ? type : checker.getTypeOfSymbol(found)));
  });
  const asks = (value: ts.Expression, literal: ts.Expression): boolean => {
    if (!ts.isStringLiteral(literal)) return false;
    const all = members(checker.getNonNullableType(checker.getTypeAtLocation(value)));
    return all.length > 1 && kinds.some(set => set.has(literal.text) && all.every(each => set.has(each)));
  };
  const isAsking = (node: ts.Node): boolean => {
    if (ts.isCaseClause(node)) return asks(node.parent.parent.expression, node.expression);
    if (!ts.isBinaryExpression(node)) return false;
    const { left, right, operatorToken } = node;
    const isComparison =
      operatorToken.kind === ts.SyntaxKind.EqualsEqualsEqualsToken ||
      operatorToken.kind === ts.SyntaxKind.ExclamationEqualsEqualsToken;
    return isComparison && (asks(left, right) || asks(right, left));
  };
  return program.getSourceFiles().flatMap(source => {
    const file = relative(packageRoot, source.fileName).replaceAll('\\', '/');
    if (!file.startsWith('src/') || COLUMNS.test(file)) return [];
    const found: KindPlace[] = [];
    const visit = (node: ts.Node): void => {
      if (isAsking(node)) {
        const { line } = source.getLineAndCharacterOfPosition(node.getStart());
        found.push({ place: `${file}:${line + 1}`, text: node.getText().split('\n', 1)[0] });
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
    return found;
  });
}
