/*
 * test_link.c
 *	  Link header fields: what is a link, what is passed over (RFC 8288, 3).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include "work/link.h"

/*
 * The targets of the links that are of relation next, in order, each with a
 * newline; an anchor goes behind '@'.
 */
static void
check_next(const char *field, const char *expected)
{
	guarded		copy = guard(text_of(field));
	oa1_text	rest = copy.text;
	oa1_buffer	found = new_buffer();
	oauth1_link link;

	about("%s", field);
	while (oauth1_link_next(&rest, &link))
	{
		if (!oauth1_link_has_relation(&link, OA1_TEXT("next")))
			continue;
		oa1_buffer_append_text(&found, link.target);
		if (link.has_anchor)
		{
			oa1_buffer_append_char(&found, '@');
			oa1_buffer_append_text(&found, link.anchor);
		}
		oa1_buffer_append_char(&found, '\n');
	}
	CHECK_TEXT(oa1_buffer_text(&found), text_of(expected));
	free_buffer(&found);
	unguard(&copy);
}

static void
test_well_formed(void)
{
	check_next("", "");
	check_next("<a>; rel=next", "a\n");
	check_next("<a>;rel=\"next\"", "a\n");
	check_next("<a> ; rel = \"next\" ", "a\n");
	check_next("\t<a>\t;\trel\t=\tnext\t", "a\n");
	check_next("<>; rel=next", "\n");
	check_next("<http://h/?a=1,2;b=3>; rel=next", "http://h/?a=1,2;b=3\n");
	check_next("<b>; rel=prev, <a>; rel=next, <c>; rel=last", "a\n");
	check_next("<b>; rel=\"prev\",<a>; rel=\"next\"", "a\n");
	check_next(", ,<a>; rel=next,, ", "a\n");
	check_next("<a>; rel=next, <b>; rel=next", "a\nb\n");
	/* parameters beside rel */
	check_next("<a>; title=\"x, <y>; rel=next\"; rel=last", "");
	check_next("<a>; title=\"x, y; z\"; rel=next, <b>; rel=last", "a\n");
	check_next("<a>; title=\"quote \\\" , <b>; rel=next\"; rel=next", "a\n");
	check_next("<a>; title*=UTF-8'de'n%c3%a4chste; rel=next; type=\"text/html\"", "a\n");
	check_next("<a>; rel=next; crossorigin", "a\n");
	check_next("<a>; ;rel=next;", "a\n");
	check_next("<a>; title=; rel=next", "a\n");
	check_next("<a>; rev=next", "");
	check_next("<a>; relation=next", "");
	check_next("<a>; rel*=next", "");
}

static void
test_relations(void)
{
	check_next("<a>; REL=NEXT", "a\n");
	check_next("<a>; Rel=\"prefetch  Next\tlast\"", "a\n");
	check_next("<a>; rel=\" next \"", "a\n");
	check_next("<a>; rel=\"ne\\xt\"", "a\n");
	check_next("<a>; rel=\"http://example.net/next\"", "");
	check_next("<a>; rel=\"nextpage\"", "");
	check_next("<a>; rel=\"nex\"", "");
	check_next("<a>; rel=\"nex t\"", "");
	check_next("<a>; rel=\"\"", "");
	check_next("<a>; rel", "");
	check_next("<a>", "");
	check_next("<a>; rel=prev next", "a\n");
	/* the first rel counts */
	check_next("<a>; rel=prev; rel=next", "");
	check_next("<a>; rel=next; rel=prev", "a\n");
	check_next("<a>; rel; rel=next", "");
	/* what the link is of */
	check_next("<a>; rel=next; anchor=\"#x\"", "a@#x\n");
	check_next("<a>; anchor=\"/b\"; anchor=\"/c\"; rel=next", "a@/b\n");
	check_next("<a>; anchor; rel=next", "a@\n");
}

static void
test_malformed(void)
{
	check_next("a; rel=next", "");
	check_next("a; rel=next, <b>; rel=next", "b\n");
	check_next("<a; rel=next", "");
	check_next("<a; rel=next, <b>; rel=next", "b\n");
	check_next("<a> rel=next, <b>; rel=next", "b\n");
	check_next("<a>; rel=\"next\" x, <b>; rel=next", "b\n");
	check_next("<a>; rel=\"next", "");
	check_next("<a>; rel=\"next\\", "");
	check_next("<a>; rel=\"next, <b>; rel=next", "");
	check_next("<b>; rel=next, <a>; rel=\"next", "b\n");
	check_next("junk \"x, <c>; rel=next\" , <b>; rel=next", "b\n");
	check_next("<", "");
	check_next("<a", "");
	check_next("<a>;", "");
	check_next("<a>; rel=", "");
	check_next("<a>; =next", "");
	check_next("\"", "");
	check_next("\\", "");
}

void
test_link(void)
{
	test_well_formed();
	test_relations();
	test_malformed();
}
