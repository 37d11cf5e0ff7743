import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.configuration.FluentConfiguration;
import org.flywaydb.database.postgresql.PostgreSQLConfigurationExtension;

/* RunFlyway URL USER DIRECTORY [repair]: migrate, as flyway migrate does. */
public class RunFlyway {
	public static void main(String[] args) {
		FluentConfiguration configuration = Flyway.configure()
			.dataSource(args[0], args[1], "")
			.locations("filesystem:" + args[2])
			.baselineOnMigrate(true).baselineVersion("0");

		configuration.getConfigurationExtension(PostgreSQLConfigurationExtension.class).setTransactionalLock(false);

		Flyway flyway = configuration.load();
		if (args.length > 3)
			flyway.repair();
		flyway.migrate();
	}
}
