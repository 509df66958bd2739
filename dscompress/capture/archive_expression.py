"""archive_expression: the sizes in a .pt2 archive are Python that PyTorch evaluates; here is what they may be.

    Add(Mul(Integer(2), Symbol('s0', positive=True, integer=True)), Integer(-4))
    2*s0 - 4

Numbers below 2^63, symbols, arithmetic, calls of FUNCTIONS. Exponents are small numbers, so that nothing grows.
"""

import ast
import re

FUNCTIONS = frozenset(
    "Abs Add And CeilDiv CeilToInt CleanDiv Eq FloatTrueDiv FloorDiv FloorToInt Ge Gt Identity IntTrueDiv Integer Le "
    "Lt Max Min Mod ModularIndexing Mul Ne Not Or PythonMod Rational RoundToInt ToFloat TruncToInt Where".split()
)
POWERS = frozenset("FloatPow LShift Pow PowByNatural RShift".split())
SYMBOL = re.compile(r"[a-z]+\d+|true|false|oo|int_oo|zoo|nan")
LONGEST, LARGEST_EXPONENT = 1 << 16, 64


def is_plain_expression(text: object) -> bool:
    if not isinstance(text, str) or len(text) > LONGEST:
        return False
    try:
        return is_plain(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def is_plain(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=bool() | int() | float() as value):
            return isinstance(value, bool) or abs(value) < 2.0**63
        case ast.Name(id=name):
            return SYMBOL.fullmatch(name) is not None
        case ast.UnaryOp(operand=operand):
            return is_plain(operand)
        case ast.BinOp(left=left, op=ast.Pow() | ast.LShift() | ast.RShift(), right=right):
            return is_plain(left) and is_small(right)
        case ast.BinOp(left=left, op=op, right=right):
            return not isinstance(op, ast.MatMult) and is_plain(left) and is_plain(right)
        case ast.Compare(left=left, comparators=others):
            return all(map(is_plain, [left, *others]))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            return is_plain_call(name, arguments, keywords)
    return False


def is_plain_call(name: str, arguments: list[ast.expr], keywords: list[ast.keyword]) -> bool:
    match name, arguments:
        case "Symbol", [ast.Constant(value=str() as symbol)]:
            known = all(isinstance(word.value, ast.Constant) and type(word.value.value) is bool for word in keywords)
            return re.fullmatch(r"\w+", symbol) is not None and known
        case "Float", [ast.Constant(value=str() as number)]:
            known = all(word.arg == "precision" and is_small(word.value) for word in keywords)
            return re.fullmatch(r"[\d.e+-]{1,40}", number) is not None and known
        case _, [base, exponent] if name in POWERS:
            return not keywords and is_plain(base) and is_small(exponent)
    return name in FUNCTIONS and not keywords and all(map(is_plain, arguments))


def is_small(node: ast.expr) -> bool:
    """A number as an exponent, -1 or Integer(-1); Rational(1, 2)."""
    match node:
        case ast.Call(func=ast.Name(id="Integer" | "Rational"), args=arguments, keywords=[]):
            return all(map(is_small, arguments))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return is_small(operand)
        case ast.Constant(value=int() | float() as value):
            return abs(value) <= LARGEST_EXPONENT
    return False
