from citycare.kernel.context import Context


async def test_a_context_reaches_the_database_as_the_application_role(cx: Context) -> None:
    row = await (await cx.db.execute("SELECT current_user AS who")).fetchone()
    assert row is not None
    assert row["who"] == "citycare_app"
