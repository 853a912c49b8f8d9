import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

/** @param {string[]} group paths that the files may not import @param {string} message why */
const forbid = (group, message) => ({ 'no-restricted-imports': ['error', { patterns: [{ group, message }] }] });

export default tseslint.config(
  { ignores: ['dist', 'coverage', 'test/workloads/assemblyscript', 'examples', 'node_modules'] },
  eslint.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      eqeqeq: ['error', 'always'],
      'no-console': 'error',
      complexity: ['error', 15],
      'max-depth': ['error', 4],
      'max-params': ['error', 5],
      'max-lines': ['error', { max: 450, skipBlankLines: true, skipComments: true }],
    },
  },
  // The arrows of docs/RATIONALE.md, "Why these rooms?": agent -> runtime -> wasi -> base; images stands beside.
  {
    files: ['base/**'],
    ...{ rules: forbid(['**/agent/**', '**/runtime/**', '**/wasi/**', '**/images/**'], 'base/ knows no other room') },
  },
  {
    files: ['wasi/**'],
    ...{ rules: forbid(['**/agent/**', '**/runtime/**', '**/images/**', 'node:wasi'], 'wasi/ knows only base/') },
  },
  {
    files: ['runtime/**'],
    ...{ rules: forbid(['**/agent/**', '**/images/**', '**/cri/**'], 'runtime/ knows neither agent nor images') },
  },
  // CRI is runtime and images on one wire, so this one folder stands above both (docs/RATIONALE.md).
  { files: ['runtime/cri/**'], ...{ rules: forbid(['**/agent/**'], 'runtime/ knows nothing of the agent') } },
  {
    files: ['images/**'],
    ...{ rules: forbid(['**/agent/**', '**/runtime/**', '**/wasi/**'], 'images/ knows only base/') },
  },
  {
    files: ['agent/**'],
    ignores: ['**/*.test.ts'],
    rules: forbid(
      ['**/runtime/*/**', '**/runtime/!(service).ts', '**/wasi/**'],
      'agent/ reaches the runtime through runtime/service.ts alone',
    ),
  },
  {
    files: ['**/*.test.ts', 'test/**', 'build/**', 'agent/cli.ts', 'agent/commands/**'],
    rules: { 'no-console': 'off', '@typescript-eslint/no-non-null-assertion': 'off', 'max-lines': 'off' },
  },
  { files: ['*.js'], extends: [tseslint.configs.disableTypeChecked] },
);
