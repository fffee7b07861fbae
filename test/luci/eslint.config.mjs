// The rules of LuCI's own eslint configuration, and some that find mistakes:
// undefined and unused names are errors here. `make lint-js` runs it.
import js from '@eslint/js';
import globals from 'globals';

// LuCI's loader makes an argument of each 'require NAME as ALIAS' at the head of
// a file: the rule knows them as defined, and finds those that nobody uses.
const requires = {
	create(context) {
		return {
			Program(program) {
				const scope = context.sourceCode.getScope(program);
				for (const { directive } of program.body) {
					const match = /^require (\S+)(?: as (\S+))?$/.exec(directive ?? '');
					if (!match) continue;
					const name = match[2] ?? match[1].replaceAll(/\W/g, '_');
					const left = scope.through.filter((reference) => reference.identifier.name !== name);
					if (left.length === scope.through.length)
						context.report({ node: program, message: `'${directive}' is not used` });
					scope.through = left;
				}
			},
		};
	},
};

export default [
	{ ignores: ['**/node_modules/'] },
	{
		files: ['test/luci/**/*.mjs'],
		...js.configs.recommended,
		languageOptions: { ecmaVersion: 2024, sourceType: 'module', globals: { ...globals.node, ...globals.browser } },
	},
	{
		// What LuCI's loader evaluates: the body of a function, whose arguments are
		// what 'require …' lines name.
		files: ['luci-app/**/*.js', 'test/luci/shim/**/*.js'],
		...js.configs.recommended,
		languageOptions: {
			ecmaVersion: 2020,
			sourceType: 'script',
			parserOptions: { ecmaFeatures: { globalReturn: true } },
			globals: {
				...globals.browser, _: 'readonly', N_: 'readonly', L: 'readonly', E: 'readonly', TR: 'readonly',
			},
		},
		plugins: { luci: { rules: { require: requires } } },
		rules: {
			...js.configs.recommended.rules,
			'luci/require': 'error',
			'no-prototype-builtins': 'off',
			'no-unused-vars': ['error', { args: 'none', caughtErrors: 'none' }],
			'no-control-regex': 'off',
			// LuCI's minifier wants \/ in classes too.
			'no-useless-escape': 'off',
			'no-implied-eval': 'error',
			'no-eval': 'error',
			// Text is inserted as text; LuCI's E() and dom.content() take strings as HTML.
			'no-restricted-syntax': ['error',
				{ selector: "CallExpression[callee.property.name='showModal'][arguments.0.callee.property.name='format']", message: 'a title that is a string is HTML: [ text ]' },
				{ selector: "CallExpression[callee.name='E'] > CallExpression.arguments[callee.property.name='format']", message: 'a child that is a string is HTML: [ text ]' },
				{ selector: "CallExpression[callee.property.name=/^(content|append)$/] > CallExpression.arguments[callee.property.name='format']", message: 'a string is HTML: [ text ]' },
			],
			'no-restricted-properties': ['error', ...['innerHTML', 'outerHTML', 'insertAdjacentHTML'].map((property) => ({ property, message: 'text is inserted as text' }))],
		},
	},
	{
		// LuCI takes strings for HTML, and so does what stands in for it.
		files: ['test/luci/shim/**/*.js'],
		rules: { 'no-restricted-properties': 'off' },
	},
];
